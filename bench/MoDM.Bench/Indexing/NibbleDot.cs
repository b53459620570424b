using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MoDM.Bench.Indexing;

/// <summary>
/// Sums of an int8 query times rows of 4-bit codes. Byte i of a row holds coordinate i in its low bits and coordinate
/// i + size / 2 in its high bits.
/// </summary>
internal static class NibbleDot
{
    /// <param name="query">Rotated and rounded; twice as long as a row has bytes.</param>
    public static void All(ReadOnlySpan<byte> codes, ReadOnlySpan<sbyte> query, int rows, Span<int> sums)
    {
        var bytes = query.Length / 2;
        ref var q = ref MemoryMarshal.GetReference(query);
        ref var row = ref MemoryMarshal.GetReference(codes);
        var i = 0;
        if (Avx512BW.IsSupported && bytes % 64 == 0)
        {
            for (; i <= rows - 4; i += 4, row = ref Unsafe.Add(ref row, 4 * bytes))
            {
                var (a, b) = (Half(ref row, ref q, bytes), Half(ref Unsafe.Add(ref row, bytes), ref q, bytes));
                var (c, d) = (Half(ref Unsafe.Add(ref row, 2 * bytes), ref q, bytes), Half(ref Unsafe.Add(ref row, 3 * bytes), ref q, bytes));
                var four = Avx2.HorizontalAdd(Avx2.HorizontalAdd(a, b), Avx2.HorizontalAdd(c, d));
                (four.GetLower() + four.GetUpper()).CopyTo(sums[i..]);
            }
        }
        for (; i < rows; i++, row = ref Unsafe.Add(ref row, bytes))
            sums[i] = One(ref row, ref q, bytes);
    }

    /// <summary>One row's sum, in eight parts.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Half(ref byte row, ref sbyte query, int bytes)
    {
        var nibble = Vector512.Create((byte)15);
        var total = Vector512<int>.Zero;
        for (var i = 0; i < bytes; i += 64)
        {
            var both = Vector512.LoadUnsafe(ref row, (nuint)i);
            // A product of two is at most 2 * 15 * 127 = 3810: the sum of both stays within 16 bits.
            var products =
                Avx512BW.MultiplyAddAdjacent(both & nibble, Vector512.LoadUnsafe(ref query, (nuint)i))
                + Avx512BW.MultiplyAddAdjacent((both.AsUInt16() >>> 4).AsByte() & nibble, Vector512.LoadUnsafe(ref query, (nuint)(bytes + i)));
            total += Avx512BW.MultiplyAddAdjacent(products, Vector512<short>.One);
        }
        return total.GetLower() + total.GetUpper();
    }

    private static int One(ref byte row, ref sbyte query, int bytes)
    {
        var sum = 0;
        for (var i = 0; i < bytes; i++)
        {
            var both = Unsafe.Add(ref row, i);
            sum += Unsafe.Add(ref query, i) * (both & 15) + Unsafe.Add(ref query, bytes + i) * (both >> 4);
        }
        return sum;
    }
}
