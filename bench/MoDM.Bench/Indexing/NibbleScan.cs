using System.Numerics.Tensors;

namespace MoDM.Bench.Indexing;

/// <summary>
/// All vectors rotated at random and cut to 4 bits a coordinate, scanned in full; then the exact similarity of every row
/// that can still be the best. After the rotation a row's quantisation error is a random direction, so the estimate
/// (rescaled so that it has no bias) is off by a normal error with standard deviation |e| / sqrt(size), where e is that
/// error relative to the row. A row is dropped only when it is 5 of them below an exact similarity that was found.
/// </summary>
internal sealed class NibbleScan(int capacity, int dimension, int seed) : IVectorIndex
{
    /// <summary>Step width for 16 levels on a normal distribution, in standard deviations (J. Max, 1960, table II).</summary>
    private const float Step = 0.3352f;
    private const float Deviations = 5;

    private readonly SlotMap _slots = new(capacity);
    private readonly Rotation _rotation = new(dimension, seed);
    private readonly float[] _rows = new float[(long)capacity * dimension];
    private readonly byte[] _codes = new byte[(long)capacity * new Rotation(dimension, seed).Size / 2];
    private readonly float[] _scales = new float[capacity];
    private readonly int[] _sums = new int[capacity];
    private readonly float[] _estimates = new float[capacity];
    private float _margin; // the widest of all rows seen; they hardly differ

    public int Compared { get; private set; }

    public void Add(int key, float[] vector)
    {
        var slot = _slots.Add(key);
        vector.CopyTo(Row(slot));
        Span<float> x = stackalloc float[_rotation.Size];
        _rotation.Apply(vector, x);
        var step = Step / MathF.Sqrt(x.Length);
        var codes = Codes(slot);
        var half = x.Length / 2;
        var (agreement, length) = (0f, 0f);
        codes.Clear();
        for (var i = 0; i < x.Length; i++)
        {
            var code = Math.Clamp((int)MathF.Floor(x[i] / step) + 8, 0, 15);
            codes[i % half] |= (byte)(i < half ? code : code << 4);
            var level = (code - 7.5f) * step;
            agreement += x[i] * level;
            length += level * level;
        }
        // The row is a unit vector: dividing by <x, x'> makes the estimate of <x, x> itself exact.
        _scales[slot] = step / agreement;
        var cosine = agreement / MathF.Sqrt(length);
        _margin = MathF.Max(_margin, Deviations * MathF.Sqrt(MathF.Max(0, 1 - cosine * cosine)) / cosine / MathF.Sqrt(x.Length));
    }

    public void Remove(int key)
    {
        var (hole, last) = _slots.Remove(key);
        Row(last).CopyTo(Row(hole));
        Codes(last).CopyTo(Codes(hole));
        _scales[hole] = _scales[last];
    }

    public (int Key, float Similarity) Best(float[] query)
    {
        Span<float> x = stackalloc float[_rotation.Size];
        Span<sbyte> q = stackalloc sbyte[x.Length];
        _rotation.Apply(query, x);
        var unit = MathF.Max(MathF.Abs(TensorPrimitives.MaxMagnitude<float>(x)), 1e-9f) / 127;
        var (sum, rounding) = (0, 0f);
        for (var i = 0; i < x.Length; i++)
        {
            q[i] = (sbyte)MathF.Round(x[i] / unit);
            sum += q[i];
            rounding += (x[i] - q[i] * unit) * (x[i] - q[i] * unit);
        }
        rounding = Deviations * MathF.Sqrt(rounding / x.Length);

        NibbleDot.All(_codes, q, _slots.Count, _sums);
        for (var i = 0; i < _slots.Count; i++)
            _estimates[i] = (_sums[i] - 7.5f * sum) * _scales[i] * unit;
        return _slots.Count == 0 ? (-1, float.NegativeInfinity) : Rescore(query, rounding);
    }

    public void Dispose() { }

    private (int, float) Rescore(float[] query, float rounding)
    {
        var estimates = _estimates.AsSpan(0, _slots.Count);
        var first = TensorPrimitives.IndexOfMax<float>(estimates);
        var (best, at) = (TensorPrimitives.Dot(query, Row(first)), first);
        Compared = 1;
        for (var i = 0; i < estimates.Length; i++)
        {
            if (estimates[i] < best - _margin - rounding || i == first)
                continue;
            Compared++;
            var similarity = TensorPrimitives.Dot(query, Row(i));
            if (similarity > best)
                (best, at) = (similarity, i);
        }
        return (_slots.KeyAt(at), best);
    }

    private Span<float> Row(int slot) => _rows.AsSpan(slot * dimension, dimension);

    private Span<byte> Codes(int slot) => _codes.AsSpan(slot * (_rotation.Size / 2), _rotation.Size / 2);
}
