using MoDM.Mixture;

namespace MoDM.Planning;

/// <summary>
/// From the sizes that run to those that the load asks for, with the price of getting there: a worker that is moved from one
/// pool to another finishes its image first, and then loads the other model.
/// </summary>
internal sealed class Transition(MixtureSpec spec, LoadSample load, Demand demand, Forecast forecast, PlanState state, int[] current)
{
    /// <summary>A split that draws this much more is worth a move, even where none is enough.</summary>
    private const double WorthMoving = 1.15;
    private const int TicksOfPatience = 6;
    private const int SwapsOfPatience = 3;

    private readonly WorkerPool[] _pools = [.. spec.Pools];

    /// <summary>How long a smaller size has to be enough before it is taken.</summary>
    private TimeSpan Patience => TimeSpan.FromSeconds(Math.Max(
        TicksOfPatience * CapacityPlanner.Tick(spec).TotalSeconds, SwapsOfPatience * SwapSeconds));

    /// <summary>To finish an image and load another model, at worst.</summary>
    private double SwapSeconds => load.Pools.Max(p => p.Load) + load.Pools.Max(p => p.Draw ?? 0);

    public (int[] Sizes, PlanState State, string Reason) Decide(int[] ideal, DegradeStep step, TimeSpan now)
    {
        if (forecast.IsEnough(current, state.Step)) return Later(ideal, step, now);
        if (step < DegradeStep.Refuse || state.Step < DegradeStep.Refuse) return AtOnce(ideal, step);
        return forecast.Capacity(ideal, step) > WorthMoving * forecast.Capacity(current, step)
            ? AtOnce(ideal, step) : Later(ideal, step, now);
    }

    /// <summary>What runs is not enough: pools grow now, others shrink only as far as the budget demands.</summary>
    private (int[], PlanState, string) AtOnce(int[] ideal, DegradeStep step)
    {
        var sizes = Merge(ideal);
        var settled = state with { Step = Max(state.Step, step), Better = null };
        if (sizes.SequenceEqual(current)) return (sizes, settled, StepReason(settled.Step));
        var between = current.Zip(sizes, Math.Min).ToArray();
        var without = forecast.Capacity(between, state.Step);
        var rate = demand.Rate;
        var isShort = forecast.Capacity(current, state.Step) < rate;
        var queued = Math.Max(0, rate - without) * SwapSeconds;
        if (isShort || queued <= Math.Max(0, forecast.Capacity(sizes, step) - rate) * Patience.TotalSeconds)
            return (sizes, settled, isShort ? "what ran was not enough for the load" : "what ran would have missed the SLO");
        var bridged = Enum.GetValues<DegradeStep>().Where(s => s >= state.Step).FirstOrDefault(s => forecast.IsEnough(current, s), step);
        return (current, settled with { Step = bridged },
            $"other sizes would keep the SLO, but the {queued:0} images that wait while models are swapped would break it first");
    }

    /// <summary>What runs is enough: a change for the better waits, and must have been good all the while.</summary>
    private (int[], PlanState, string) Later(int[] ideal, DegradeStep step, TimeSpan now)
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
        var between = current.Zip(better, Math.Min).ToArray();
        var grows = better.Zip(current, (b, c) => b > c).Any(g => g);
        if (grows && forecast.Capacity(between, milder) < demand.Rate)
            return (current, waiting, "a better split would cost more during the swap than it brings");
        return forecast.IsEnough(better, milder) || state.Step == DegradeStep.Refuse
            ? (better, state with { Step = milder, Better = null }, "the load has allowed it for a while")
            : (current, state with { Better = null }, enough);
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

    private static DegradeStep Max(DegradeStep a, DegradeStep b) => a > b ? a : b;

    private int Over(int[] sizes) => Gpus(sizes) - spec.GpuBudget;

    private int Gpus(int[] sizes) => _pools.Select((p, i) => p.GpusPerReplica * sizes[i]).Sum();
}
