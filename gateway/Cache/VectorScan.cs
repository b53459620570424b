using System.Buffers;
using System.Numerics.Tensors;

namespace MoDM.Gateway.Cache;

/// <summary>
/// Finds the most similar of many unit vectors. All are rotated at random and cut to 4 bits a coordinate; a query scans
/// those in full, then compares exactly every row that can still be the best. After the rotation a row's quantisation
/// error points in a random direction, so the estimate (rescaled to have no bias) is off by a normal error with standard
/// deviation |e| / sqrt(size), where e is that error relative to the row. A row is dropped only when it lies 5 of them
/// below an exact similarity that was found. Not safe for changes during a search.
/// </summary>
/// <param name="dimension">Of the vectors.</param>
/// <param name="exact">Compares every row exactly, for machines without the instructions and for tests.</param>
internal sealed class VectorScan(int dimension, bool exact)
{
    /// <summary>Step width for 16 levels on a normal distribution, in standard deviations (J. Max, 1960, table II).</summary>
    private const float Step = 0.3352f;
    private const float Deviations = 5;
    private const int BlockRows = 4096;

    private readonly List<Block> _blocks = [];
    private readonly List<string> _ids = [];
    private readonly Dictionary<string, int> _slots = [];
    private readonly Rotation _rotation = new(dimension);
    private float _margin; // The widest of all rows seen; they hardly differ.

    public int Count => _ids.Count;

    /// <param name="vector">Of unit length; replaces the one of an equal id.</param>
    public void Add(string id, ReadOnlySpan<float> vector)
    {
        if (!_slots.TryGetValue(id, out var slot))
        {
            slot = _ids.Count;
            _ids.Add(id);
            _slots[id] = slot;
            if (slot / BlockRows == _blocks.Count) _blocks.Add(new Block(dimension, exact ? 0 : _rotation.Size / 2));
        }
        vector.CopyTo(Vector(slot));
        if (!exact) Quantise(slot, vector);
    }

    /// <summary>The last row moves into the hole.</summary>
    public void Remove(string id)
    {
        if (!_slots.Remove(id, out var hole)) return;
        var last = _ids.Count - 1;
        if (hole != last)
        {
            Vector(last).CopyTo(Vector(hole));
            Codes(last).CopyTo(Codes(hole));
            ScaleOf(hole) = ScaleOf(last);
            _ids[hole] = _ids[last];
            _slots[_ids[hole]] = hole;
        }
        _ids.RemoveAt(last);
        if (_ids.Count <= (_blocks.Count - 1) * BlockRows) _blocks.RemoveAt(_blocks.Count - 1);
    }

    /// <summary>The stored vector, or empty.</summary>
    public ReadOnlySpan<float> VectorOf(string id) => _slots.TryGetValue(id, out var slot) ? Vector(slot) : [];

    /// <param name="query">Of unit length.</param>
    public (string Id, float Similarity)? Best(ReadOnlySpan<float> query) => Best(query, 1) is [var best] ? best : null;

    /// <summary>The most similar rows, the best first; fewer where there are not so many.</summary>
    public List<(string Id, float Similarity)> Best(ReadOnlySpan<float> query, int most)
    {
        if (Count == 0) return [];
        var estimates = ArrayPool<float>.Shared.Rent(Count);
        try
        {
            var slack = exact ? ExactEstimates(query, estimates) : CodeEstimates(query, estimates);
            return Rescore(query, estimates.AsSpan(0, Count), slack, Math.Min(most, Count));
        }
        finally
        {
            ArrayPool<float>.Shared.Return(estimates);
        }
    }

    private float ExactEstimates(ReadOnlySpan<float> query, Span<float> estimates)
    {
        for (var i = 0; i < Count; i++)
            estimates[i] = TensorPrimitives.Dot(query, Vector(i));
        return 0;
    }

    /// <returns>How far an estimate may lie below the truth.</returns>
    private float CodeEstimates(ReadOnlySpan<float> query, Span<float> estimates)
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

        Span<int> sums = stackalloc int[BlockRows];
        for (var b = 0; b < _blocks.Count; b++)
        {
            var rows = Math.Min(BlockRows, Count - b * BlockRows);
            NibbleDot.All(_blocks[b].Codes, q, rows, sums);
            var scales = _blocks[b].Scales;
            for (var i = 0; i < rows; i++)
                estimates[b * BlockRows + i] = (sums[i] - 7.5f * sum) * scales[i] * unit;
        }
        return _margin + Deviations * MathF.Sqrt(rounding / x.Length);
    }

    /// <param name="estimates">Overwritten.</param>
    private List<(string, float)> Rescore(ReadOnlySpan<float> query, Span<float> estimates, float slack, int most)
    {
        // The last of them bounds what can still be among them: begin with those that are likely to be.
        var best = new PriorityQueue<int, float>(most + 1);
        for (var n = 0; n < most; n++)
        {
            var i = TensorPrimitives.IndexOfMax(estimates);
            best.Enqueue(i, TensorPrimitives.Dot(query, Vector(i)));
            estimates[i] = float.NegativeInfinity;
        }
        best.TryPeek(out _, out var last);
        for (var i = 0; i < estimates.Length; i++)
        {
            if (estimates[i] < last - slack) continue;
            var similarity = TensorPrimitives.Dot(query, Vector(i));
            if (similarity <= last) continue;
            best.EnqueueDequeue(i, similarity);
            best.TryPeek(out _, out last);
        }
        return [.. best.UnorderedItems.OrderByDescending(b => b.Priority).ThenBy(b => b.Element).Select(b => (_ids[b.Element], b.Priority))];
    }

    private void Quantise(int slot, ReadOnlySpan<float> vector)
    {
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
        ScaleOf(slot) = step / agreement;
        var cosine = agreement / MathF.Sqrt(length);
        var error = MathF.Sqrt(MathF.Max(0, 1 - cosine * cosine)) / cosine;
        _margin = MathF.Max(_margin, Deviations * error / MathF.Sqrt(x.Length));
    }

    private Span<float> Vector(int slot) => _blocks[slot / BlockRows].Vectors.AsSpan(slot % BlockRows * dimension, dimension);

    private Span<byte> Codes(int slot)
    {
        var codes = _blocks[slot / BlockRows].Codes;
        return codes.AsSpan(slot % BlockRows * (codes.Length / BlockRows), codes.Length / BlockRows);
    }

    private ref float ScaleOf(int slot) => ref _blocks[slot / BlockRows].Scales[slot % BlockRows];

    /// <summary>Rows are kept in blocks, so that growing copies nothing.</summary>
    private sealed class Block(int dimension, int codeBytes)
    {
        public float[] Vectors { get; } = new float[BlockRows * dimension];
        public byte[] Codes { get; } = new byte[BlockRows * codeBytes];
        public float[] Scales { get; } = new float[BlockRows];
    }
}
