using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MoDM.Bench.Indexing;

/// <summary>
/// All vectors as int8 with one scale a row, scanned in full; then the exact similarity of every row that the
/// quantisation error leaves in the race. With e the length of a row's error and |q| = 1, the similarity is within e of
/// the estimate (the query's own rounding is added to e), so that no better row is ever dropped: the result is exact.
/// </summary>
internal sealed class QuantisedScan(int capacity, int dimension) : IVectorIndex
{
    private const int QueryLevels = 4095; // products of int8 and 13 bits, summed over 1024 dimensions, fit 31 bits
    private readonly SlotMap _slots = new(capacity);
    private readonly float[] _rows = new float[(long)capacity * dimension];
    private readonly sbyte[] _codes = new sbyte[(long)capacity * dimension];
    private readonly float[] _scales = new float[capacity];
    private readonly float[] _errors = new float[capacity];
    private readonly float[] _upper = new float[capacity];

    public void Add(int key, float[] vector)
    {
        var slot = _slots.Add(key);
        vector.CopyTo(Row(slot));
        var scale = TensorPrimitives.MaxMagnitude<float>(vector) is var m && MathF.Abs(m) > 0 ? MathF.Abs(m) / 127 : 1;
        var codes = _codes.AsSpan(slot * dimension, dimension);
        var error = 0f;
        for (var i = 0; i < dimension; i++)
        {
            codes[i] = (sbyte)MathF.Round(vector[i] / scale);
            error += (vector[i] - codes[i] * scale) * (vector[i] - codes[i] * scale);
        }
        (_scales[slot], _errors[slot]) = (scale, MathF.Sqrt(error));
    }

    public void Remove(int key)
    {
        var (hole, last) = _slots.Remove(key);
        Row(last).CopyTo(Row(hole));
        _codes.AsSpan(last * dimension, dimension).CopyTo(_codes.AsSpan(hole * dimension, dimension));
        (_scales[hole], _errors[hole]) = (_scales[last], _errors[last]);
    }

    public (int Key, float Similarity) Best(float[] query)
    {
        Span<short> q = stackalloc short[dimension];
        var unit = MathF.Max(MathF.Abs(TensorPrimitives.MaxMagnitude<float>(query)), 1e-9f) / QueryLevels;
        var rounding = 0f;
        for (var i = 0; i < dimension; i++)
        {
            q[i] = (short)MathF.Round(query[i] / unit);
            rounding += (query[i] - q[i] * unit) * (query[i] - q[i] * unit);
        }
        rounding = MathF.Sqrt(rounding);

        var floor = float.NegativeInfinity;
        for (var i = 0; i < _slots.Count; i++)
        {
            var estimate = Dot(q, _codes.AsSpan(i * dimension, dimension)) * _scales[i] * unit;
            // A row's code is at most 1 + e long, so the query's rounding adds at most rounding * (1 + e).
            var error = _errors[i] + rounding * (1 + _errors[i]);
            _upper[i] = estimate + error;
            floor = MathF.Max(floor, estimate - error);
        }
        return Rescore(query, floor);
    }

    public void Dispose() { }

    private (int, float) Rescore(float[] query, float floor)
    {
        var (best, at) = (float.NegativeInfinity, -1);
        for (var i = 0; i < _slots.Count; i++)
        {
            if (_upper[i] < floor)
                continue;
            var similarity = TensorPrimitives.Dot(query, Row(i));
            if (similarity > best)
                (best, at) = (similarity, i);
        }
        return (at < 0 ? -1 : _slots.KeyAt(at), best);
    }

    private Span<float> Row(int slot) => _rows.AsSpan(slot * dimension, dimension);

    private static int Dot(ReadOnlySpan<short> query, ReadOnlySpan<sbyte> row)
    {
        var (sum, i) = (0, 0);
        ref var q = ref MemoryMarshal.GetReference(query);
        ref var r = ref MemoryMarshal.GetReference(row);
        if (Avx512BW.IsSupported)
        {
            var (a, b) = (Vector512<int>.Zero, Vector512<int>.Zero);
            for (; i <= row.Length - 64; i += 64)
            {
                a += Avx512BW.MultiplyAddAdjacent(
                    Avx512BW.ConvertToVector512Int16(Vector256.LoadUnsafe(ref r, (nuint)i)), Vector512.LoadUnsafe(ref q, (nuint)i));
                b += Avx512BW.MultiplyAddAdjacent(
                    Avx512BW.ConvertToVector512Int16(Vector256.LoadUnsafe(ref r, (nuint)i + 32)), Vector512.LoadUnsafe(ref q, (nuint)i + 32));
            }
            sum = Vector512.Sum(a + b);
        }
        else if (Avx2.IsSupported)
        {
            var a = Vector256<int>.Zero;
            for (; i <= row.Length - 16; i += 16)
                a += Avx2.MultiplyAddAdjacent(
                    Avx2.ConvertToVector256Int16(Vector128.LoadUnsafe(ref r, (nuint)i)), Vector256.LoadUnsafe(ref q, (nuint)i));
            sum = Vector256.Sum(a);
        }
        for (; i < row.Length; i++)
            sum += query[i] * row[i];
        return sum;
    }
}
