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

    // Of all tokens that may be drawn, before top-p.
    private double _whole;

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
        var count = rule.TopK > 0 && rule.TopK < vocabulary ? TakeBest(rule.TopK) : TakeLikely(rule.TopP);
        if (rule.TopP < 1)
            count = KeepNucleus(count, rule.TopP);
        return Draw(count, chance);
    }

    // Of n tokens, those below (1 - p) / n of the whole have less than 1 - p together, so that the nucleus lies within the
    // others: only those few are sorted.
    private int TakeLikely(double p)
    {
        _whole = Sum(_weights);
        var least = (1 - p) * _whole / vocabulary;
        var count = 0;
        for (var id = 0; id < vocabulary; id++)
        {
            if (_weights[id] >= least)
                (_ids[count], _keys[count++]) = (id, _weights[id]);
        }
        return count;
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
        _whole = Sum(_keys.AsSpan(0, k));
        return k;
    }

    // The smallest set of the likeliest whose share reaches p (Holtzman et al. 2020).
    private int KeepNucleus(int count, double p)
    {
        var keys = _keys.AsSpan(0, count);
        TensorPrimitives.Negate<float>(keys, keys);
        keys.Sort(_ids.AsSpan(0, count));
        TensorPrimitives.Negate<float>(keys, keys);
        var sum = 0.0;
        for (var i = 0; i < count; i++)
        {
            sum += keys[i];
            if (sum >= p * _whole)
                return i + 1;
        }
        return count;
    }

    private int Draw(int count, double chance)
    {
        var left = chance * Sum(_keys.AsSpan(0, count));
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

    // In double and in one order, whatever vectors a machine has; four sums at once, since each addition waits for the one
    // before it.
    private static double Sum(ReadOnlySpan<float> values)
    {
        double a = 0, b = 0, c = 0, d = 0;
        var i = 0;
        for (; i + 4 <= values.Length; i += 4)
        {
            a += values[i];
            b += values[i + 1];
            c += values[i + 2];
            d += values[i + 3];
        }
        for (; i < values.Length; i++)
            a += values[i];
        return a + b + c + d;
    }
}
