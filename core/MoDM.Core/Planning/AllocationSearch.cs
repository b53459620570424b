using MoDM.Mixture;

namespace MoDM.Planning;

/// <summary>
/// The best sizes of the pools for a demand, within min, max and the GPU budget. Everything that it asks the forecast is
/// monotone in the number of workers, so it bisects: a mixture of thousands of workers is planned in microseconds.
/// </summary>
internal sealed class AllocationSearch(MixtureSpec spec, Forecast forecast)
{
    private const int Nearby = 32;

    private readonly WorkerPool[] _pools = [.. spec.Pools];

    /// <summary>The sizes and the first step of the ladder at which they are enough, or all that there is with step Refuse.</summary>
    public (int[] Sizes, DegradeStep Step) Find()
    {
        foreach (var (step, first) in Ladder())
        {
            if (Find(step, first) is { } sizes) return (sizes, step);
        }
        var (last, small) = Ladder().Last();
        var most = Ladder().Where(l => l.Step == last).Select(l => MostDrawn(last, l.First))
            .MaxBy(n => forecast.Capacity(n, last));
        return (most ?? MostDrawn(last, small), DegradeStep.Refuse);
    }

    /// <summary>Sizes that are enough at a step, with hits going to small pools from <paramref name="first"/> on, or null.</summary>
    private int[]? Find(DegradeStep step, int first)
    {
        if (FewestLarge(step, first) is not { } low || SmallFor(low, step, first) is not { } least) return null;
        if (spec.Slo.Objective == SloObjective.Cost)
        {
            // Small workers for the hits, or large ones where those are the cheaper: the cost of a mix lies between. A large
            // worker more may also, with what misses leave of it, stand in for several small ones.
            var all = Bisect(low, MostLarge(), n => forecast.IsEnough(AtLeast(n), step));
            return new[] { least, SmallFor(Math.Min(low + 1, MostLarge()), step, first), SmallFor(all, step, first) }
                .OfType<int[]>().MinBy(n => (Gpus(n), -n[0]));
        }

        // As many large workers as leave room for the small ones that hits need.
        var most = Bisect(low, MostLarge(), n => SmallFor(n, step, first) is null) is var tooMany && SmallFor(tooMany, step, first) is null
            ? tooMany - 1 : tooMany;
        if (spec.Slo.Objective == SloObjective.Throughput)
        {
            var best = MostDrawn(step, first);
            most = Math.Clamp(best[0], low, most);
        }
        return Fill(SmallFor(most, step, first) ?? least, first);
    }

    /// <summary>The split that draws the most at the demand's mix: where misses and hits are equally short of workers.</summary>
    private int[] MostDrawn(DegradeStep step, int first)
    {
        int[] With(int large) => Fill(AtLeast(large), first);
        var (low, high) = (spec.Large.MinReplicas, MostLarge());
        // Capacity rises with large workers while misses are short of them, and falls after that.
        while (high - low > 2)
        {
            var (left, right) = (low + (high - low) / 3, high - (high - low) / 3);
            if (forecast.Capacity(With(left), step) > forecast.Capacity(With(right), step)) high = right;
            else low = left;
        }
        return Enumerable.Range(low, high - low + 1).Reverse().Select(With).MaxBy(n => forecast.Capacity(n, step))!;
    }

    /// <summary>For the misses, and for the hits that all the small workers there may be leave over; null when no number is enough.</summary>
    private int? FewestLarge(DegradeStep step, int first)
    {
        var (low, high) = (spec.Large.MinReplicas, MostLarge());
        if (step < DegradeStep.SmallForMisses)
        {
            if (!forecast.MissesFit(high)) return null;
            low = Bisect(low, high, forecast.MissesFit);
        }
        low = Bisect(low, high, n => SmallFor(n, step, first, anyBudget: true) is not null);
        // The fewest may leave more to the small workers than the budget has for them. Workers are whole, so that a few more large ones
        // may fit and still more not; where there are many, those that draw the most decide.
        for (var n = low; n <= Math.Min(high, low + Nearby); n++)
        {
            if (SmallFor(n, step, first) is not null) return n;
        }
        var most = MostDrawn(step, first)[0];
        return most > low && SmallFor(most, step, first) is not null ? most : SmallFor(high, step, first) is not null ? high : low;
    }

    /// <summary>The fewest small workers, the better models first, that are enough beside so many large ones; null when none are.</summary>
    private int[]? SmallFor(int large, DegradeStep step, int first, bool anyBudget = false)
    {
        var sizes = AtLeast(large);
        for (var i = first; ; i++)
        {
            if (forecast.IsEnough(sizes, step)) return sizes;
            if (i >= _pools.Length) return null;
            var room = anyBudget ? int.MaxValue - sizes[i] : Math.Max(0, Free(sizes)) / _pools[i].GpusPerReplica;
            var most = Math.Min(_pools[i].MaxReplicas, sizes[i] + room);
            var size = Bisect(sizes[i], most, n => forecast.IsEnough(Put(sizes, i, n), step));
            Put(sizes, i, size);
        }
    }

    /// <summary>What the budget still holds, for the small models.</summary>
    private int[] Fill(int[] sizes, int first)
    {
        for (var i = Math.Max(1, first); i < _pools.Length; i++)
            sizes[i] = Math.Min(_pools[i].MaxReplicas, sizes[i] + Math.Max(0, Free(sizes)) / _pools[i].GpusPerReplica);
        // Only large workers are left to be had.
        sizes[0] = Math.Min(spec.Large.MaxReplicas, sizes[0] + Math.Max(0, Free(sizes)) / spec.Large.GpusPerReplica);
        return sizes;
    }

    private IEnumerable<(DegradeStep Step, int First)> Ladder()
    {
        var last = Math.Max(1, _pools.Length - 1);
        yield return (DegradeStep.None, 1);
        if (spec.Slo.Degrade >= DegradeStep.SmallerModel)
        {
            for (var first = 2; first <= last; first++)
                yield return (DegradeStep.SmallerModel, first);
        }
        if (_pools.Length < 2) yield break;
        if (spec.Slo.Degrade >= DegradeStep.HigherSkip) yield return (DegradeStep.HigherSkip, last);
        if (spec.Slo.Degrade >= DegradeStep.SmallForMisses) yield return (DegradeStep.SmallForMisses, last);
    }

    private int[] AtLeast(int large) => [large, .. spec.Small.Select(p => p.MinReplicas)];

    private int MostLarge() => Math.Max(spec.Large.MinReplicas, Math.Min(spec.Large.MaxReplicas,
        (spec.GpuBudget - spec.Small.Sum(p => p.MinReplicas * p.GpusPerReplica)) / spec.Large.GpusPerReplica));

    private int Free(int[] sizes) => spec.GpuBudget - Gpus(sizes);

    private int Gpus(int[] sizes) => _pools.Select((p, i) => p.GpusPerReplica * sizes[i]).Sum();

    private static int[] Put(int[] sizes, int pool, int size)
    {
        sizes[pool] = size;
        return sizes;
    }

    /// <summary>The smallest n from low to high for which it holds, when it holds from there on; high when it never does.</summary>
    private static int Bisect(int low, int high, Func<int, bool> holds)
    {
        while (low < high)
        {
            var middle = low + (high - low) / 2;
            if (holds(middle)) high = middle;
            else low = middle + 1;
        }
        return low;
    }
}
