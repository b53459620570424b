using MoDM.Mixture;

namespace MoDM.Planning;

/// <summary>
/// From the sizes that run to those that the load asks for, with the price of getting there: a worker that is moved from one
/// pool to another finishes its image first, and then loads the other model.
/// </summary>
internal sealed class Transition(MixtureSpec spec, LoadSample load, Demand demand, Forecast forecast, PlanState state, int[] current, TimeSpan now)
{
    /// <summary>Where no split is enough, a better one has to bring this many times what it costs.</summary>
    private const double WorthMoving = 2;
    /// <summary>A pool does not shrink within this time after it grew, unless what is left of the others could not keep up (complaint 1).</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromMinutes(10);
    private const int TicksOfPatience = 6;
    private const int SwapsOfPatience = 3;

    private readonly WorkerPool[] _pools = [.. spec.Pools];

    /// <summary>How long a smaller size has to be enough before it is taken.</summary>
    private TimeSpan Patience => TimeSpan.FromSeconds(Math.Max(
        TicksOfPatience * CapacityPlanner.Tick(spec).TotalSeconds, SwapsOfPatience * SwapSeconds));

    /// <summary>To finish an image and load another model, at worst.</summary>
    private double SwapSeconds => load.Pools.Max(p => p.Load) + load.Pools.Max(p => p.Draw ?? 0);

    public (int[] Sizes, PlanState State, string Reason) Decide(int[] ideal, DegradeStep step)
    {
        // Where more is always better, as in overload, what is drawn decides, not the SLO.
        if (spec.Slo.Objective == SloObjective.Throughput || state.Step == DegradeStep.Refuse && step == DegradeStep.Refuse)
            return DrawsMore(Merge(ideal), step) || step > state.Step ? AtOnce(ideal, step) : Later(ideal, step);
        return forecast.IsEnough(current, state.Step) ? Later(ideal, step) : AtOnce(ideal, step);
    }

    /// <summary>What another split draws more, until the queue is gone, against what is not drawn during the swap.</summary>
    private bool DrawsMore(int[] sizes, DegradeStep step)
    {
        var here = forecast.Capacity(current, step);
        if (demand.Rate <= 0 && demand.WaitingMisses + demand.WaitingHits == 0 || Undoes(sizes)) return false;
        if (here <= 0) return true;
        var horizon = Math.Max(Patience.TotalSeconds, (demand.WaitingMisses + demand.WaitingHits) / here);
        var lost = (here - forecast.Capacity(Between(sizes), step)) * SwapSeconds;
        return (forecast.Capacity(sizes, step) - here) * horizon > WorthMoving * lost;
    }

    /// <summary>What runs is not enough: pools grow now, others shrink only as far as the budget demands.</summary>
    private (int[], PlanState, string) AtOnce(int[] ideal, DegradeStep step)
    {
        var sizes = Merge(ideal);
        var settled = state with { Step = Max(state.Step, step), Better = null };
        if (sizes.SequenceEqual(current)) return (sizes, settled, StepReason(settled.Step));
        var without = forecast.Capacity(Between(sizes), state.Step);
        var rate = demand.Rate;
        var isShort = forecast.Capacity(current, state.Step) < forecast.Rate;
        var queued = Math.Max(0, rate - without) * SwapSeconds;
        if (!isShort && Undoes(sizes)) return (current, state with { Better = null }, "the workers that would go have only just come");
        if (isShort || queued <= Math.Max(0, forecast.Capacity(sizes, step) - rate) * Patience.TotalSeconds)
            return (sizes, settled, isShort ? "what ran was not enough for the load" : "what ran would have missed the SLO");
        var bridged = Enum.GetValues<DegradeStep>().Where(s => s >= state.Step).FirstOrDefault(s => forecast.IsEnough(current, s), step);
        return (current, settled with { Step = bridged },
            $"other sizes would keep the SLO, but the {queued:0} images that wait while models are swapped would break it first");
    }

    /// <summary>What runs is enough: a change for the better waits, and must have been good all the while.</summary>
    private (int[], PlanState, string) Later(int[] ideal, DegradeStep step)
    {
        var enough = state.Step < DegradeStep.Refuse ? "it is enough" : "all that the budget gives";
        if (step > state.Step || ideal.SequenceEqual(current) && step == state.Step)
            return (current, state with { Better = null }, enough);
        var better = state.Better is { } before && before.Count == current.Length ? Mildest(before, ideal) : ideal;
        var since = state.Better is null ? now : state.BetterSince;
        var milder = state.Better is null || step > state.BetterStep ? step : state.BetterStep;
        if (better.SequenceEqual(current) && milder == state.Step)
            return (current, state with { Better = null }, enough);

        var waiting = state with { Better = better, BetterStep = milder, BetterSince = since };
        if (now - since < Patience)
            return (current, waiting, $"a change waits until it has been good for {Patience.TotalSeconds:0} s");
        better = Merge(KeepBusy(better), shrink: true);
        var grows = better.Zip(current, (b, c) => b > c).Any(g => g);
        if (grows && Undoes(better)) return (current, waiting, "the workers that would go have only just come");
        if (grows && forecast.Capacity(Between(better), milder) < demand.Rate)
        {
            return Part(better, milder) is { } part
                ? (part, waiting, "a better split is taken in parts, so that enough serves meanwhile")
                : (current, waiting, "a better split would cost more during the swap than it brings");
        }
        return forecast.IsEnough(better, milder) || state.Step == DegradeStep.Refuse
            ? (better, state with { Step = milder, Better = null }, "the load has allowed it for a while")
            : (current, state with { Better = null }, enough);
    }

    /// <summary>As much of a change as leaves enough to serve the load while it is made; null when that is nothing.</summary>
    private int[]? Part(int[] wanted, DegradeStep step)
    {
        for (var share = 2; share <= 64; share *= 2)
        {
            var part = Merge([.. wanted.Select((w, i) => w >= current[i] ? w : current[i] - (current[i] - w) / share)], shrink: true);
            if (part.SequenceEqual(current)) return null;
            if (forecast.Capacity(Between(part), step) >= demand.Rate) return part;
        }
        return null;
    }

    /// <summary>The larger of both sizes where the budget has room, else the surplus of the pools that may shrink is given up.</summary>
    private int[] Merge(int[] wanted, bool shrink = false)
    {
        var sizes = shrink ? [.. wanted] : current.Zip(wanted, Math.Max).ToArray();
        for (var i = 0; i < sizes.Length && Over(sizes) > 0; i++)
        {
            var surplus = sizes[i] - wanted[i];
            var needed = (Over(sizes) + _pools[i].GpusPerReplica - 1) / _pools[i].GpusPerReplica;
            sizes[i] -= Math.Min(surplus, needed);
        }
        // Changes that were good one by one may be too many together.
        for (var i = sizes.Length - 1; i >= 0 && Over(sizes) > 0; i--)
        {
            var needed = (Over(sizes) + _pools[i].GpusPerReplica - 1) / _pools[i].GpusPerReplica;
            sizes[i] -= Math.Min(Math.Max(0, sizes[i] - current[i]), needed);
        }
        return sizes;
    }

    /// <summary>Running work is demand (complaint 4): a mixture that gets smaller does not lose workers that draw.</summary>
    private int[] KeepBusy(int[] sizes)
    {
        if (Gpus(sizes) >= Gpus(current)) return sizes;
        return [.. sizes.Select((n, i) => Math.Max(n, Math.Min(current[i], load.Pools[i].InFlight)))];
    }

    /// <summary>Of two wishes, pool by pool, the one that changes less; no change where they contradict each other.</summary>
    private int[] Mildest(IReadOnlyList<int> before, int[] ideal) => [.. current.Select((c, i) =>
        before[i] < c && ideal[i] < c ? Math.Max(before[i], ideal[i])
        : before[i] > c && ideal[i] > c ? Math.Min(before[i], ideal[i]) : c)];

    private static string StepReason(DegradeStep step) => step switch
    {
        DegradeStep.None => "it is enough",
        DegradeStep.SmallerModel => "the budget is not enough for the best small model",
        DegradeStep.HigherSkip => "the budget is only enough if hits skip more steps",
        DegradeStep.SmallForMisses => "the budget is only enough if small models draw misses too",
        _ => "the budget is not enough; what cannot be served in time is refused",
    };

    /// <summary>A pool would shrink that has only just grown: the load is between two splits, and neither is worth the way.</summary>
    private bool Undoes(int[] sizes) => state.GrownAt.Count == sizes.Length
        && sizes.Where((n, i) => n < current[i] && now - state.GrownAt[i] < (Patience > Rest ? Patience : Rest)).Any();

    /// <summary>What serves while workers are swapped.</summary>
    private int[] Between(int[] sizes) => [.. current.Zip(sizes, Math.Min)];

    private static DegradeStep Max(DegradeStep a, DegradeStep b) => a > b ? a : b;

    private int Over(int[] sizes) => Gpus(sizes) - spec.GpuBudget;

    private int Gpus(int[] sizes) => _pools.Select((p, i) => p.GpusPerReplica * sizes[i]).Sum();
}
