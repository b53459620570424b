using System.Numerics.Tensors;

namespace MoDM.Worker.Stories;

/// <summary>
/// Chooses tokens. The outcome depends on its arguments alone; the memory that it keeps only saves allocating it anew. In
/// the order that transformers has: penalties, temperature, top-k, top-p.
/// </summary>
internal sealed class TokenSampler(int vocabulary)
{
    private readonly float[] _weights = new float[vocabulary];
    private readonly float[] _keys = new float[vocabulary];
    private readonly int[] _ids = new int[vocabulary];
    private readonly PriorityQueue<int, float> _best = new();

    /// <summary>A number in [0, 1) from the seed and the token's place in its text, whatever else is being written.</summary>
    public static double Chance(long seed, int position)
    {
        var state = SplitMix64.Stream(seed, position);
        return (SplitMix64.Next(ref state) >> 11) * SplitMix64.Unit;
    }

    /// <param name="logits">(vocabulary); penalties are applied in place.</param>
    /// <param name="chance">In [0, 1); the same one chooses the same token.</param>
    public int Pick(Span<float> logits, SamplingRule rule, TokenHistory history, double chance)
    {
        history.Penalise(logits);
        if (rule.Greedy)
            return TensorPrimitives.IndexOfMax<float>(logits);
        // Not normalised: exp((logit - greatest) / temperature).
        TensorPrimitives.Subtract(logits, TensorPrimitives.Max<float>(logits), _weights);
        TensorPrimitives.Divide(_weights, (float)rule.Temperature, _weights);
        TensorPrimitives.Exp<float>(_weights, _weights);
        var count = rule.TopK > 0 && rule.TopK < vocabulary ? TakeBest(rule.TopK) : TakeAll();
        if (rule.TopP < 1)
            count = KeepNucleus(count, rule.TopP);
        return Draw(count, chance);
    }

    private int TakeAll()
    {
        for (var id = 0; id < vocabulary; id++)
            (_ids[id], _keys[id]) = (id, _weights[id]);
        return vocabulary;
    }

    private int TakeBest(int k)
    {
        _best.Clear();
        for (var id = 0; id < vocabulary; id++)
        {
            if (_best.Count < k)
                _best.Enqueue(id, _weights[id]);
            else if (_best.TryPeek(out _, out var least) && _weights[id] > least)
                _best.EnqueueDequeue(id, _weights[id]);
        }
        for (var i = k - 1; i >= 0; i--)
        {
            _ids[i] = _best.Dequeue();
            _keys[i] = _weights[_ids[i]];
        }
        return k;
    }

    // The smallest set of the likeliest whose share reaches p (Holtzman et al. 2020). Tokens below (1 - p) / n of the whole
    // have less than 1 - p together, so the set lies within the others, and only those few are sorted.
    private int KeepNucleus(int count, double p)
    {
        var whole = Sum(count);
        var least = (1 - p) * whole / count;
        var kept = 0;
        for (var i = 0; i < count; i++)
        {
            if (_keys[i] >= least)
                (_ids[kept], _keys[kept++]) = (_ids[i], -_keys[i]);
        }
        Array.Sort(_keys, _ids, 0, kept);
        TensorPrimitives.Negate<float>(_keys.AsSpan(0, kept), _keys.AsSpan(0, kept));
        var sum = 0.0;
        for (var i = 0; i < kept; i++)
        {
            sum += _keys[i];
            if (sum >= p * whole)
                return i + 1;
        }
        return kept;
    }

    private int Draw(int count, double chance)
    {
        var left = chance * Sum(count);
        var last = 0;
        for (var i = 0; i < count; i++)
        {
            if (_keys[i] == 0)
                continue;
            last = i;
            left -= _keys[i];
            if (left < 0)
                break;
        }
        return _ids[last];
    }

    private double Sum(int count)
    {
        var sum = 0.0;
        for (var i = 0; i < count; i++)
            sum += _keys[i];
        return sum;
    }
}
