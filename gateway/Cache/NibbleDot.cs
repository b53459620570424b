using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MoDM.Gateway.Cache;

/// <summary>
/// Sums of an int8 query times rows of 4-bit codes. Byte i of a row holds coordinate i in its low bits and coordinate
/// i + size / 2 in its high bits. Sizes are powers of two from 64 on, so that rows divide into vectors.
/// </summary>
internal static class NibbleDot
{
    /// <summary>Without these instructions an exact scan is the faster one.</summary>
    public static bool IsSupported => Avx2.IsSupported;

    /// <param name="query">Rotated and rounded to -127 .. 127; twice as long as a row has bytes.</param>
    public static void All(ReadOnlySpan<byte> codes, ReadOnlySpan<sbyte> query, int rows, Span<int> sums)
    {
        var bytes = query.Length / 2;
        var wide = Avx512BW.IsSupported && bytes % 64 == 0;
        ref var q = ref MemoryMarshal.GetReference(query);
        ref var row = ref MemoryMarshal.GetReference(codes);
        var i = 0;
        for (; i <= rows - 4; i += 4, row = ref Unsafe.Add(ref row, 4 * bytes))
        {
            var a = Row(wide, ref row, ref q, bytes);
            var b = Row(wide, ref Unsafe.Add(ref row, bytes), ref q, bytes);
            var c = Row(wide, ref Unsafe.Add(ref row, 2 * bytes), ref q, bytes);
            var d = Row(wide, ref Unsafe.Add(ref row, 3 * bytes), ref q, bytes);
            var four = Avx2.HorizontalAdd(Avx2.HorizontalAdd(a, b), Avx2.HorizontalAdd(c, d));
            (four.GetLower() + four.GetUpper()).CopyTo(sums[i..]);
        }
        for (; i < rows; i++, row = ref Unsafe.Add(ref row, bytes))
            sums[i] = Vector256.Sum(Row(wide, ref row, ref q, bytes));
    }

    /// <summary>One row's sum, in eight parts.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Row(bool wide, ref byte row, ref sbyte query, int bytes) =>
        wide ? Row512(ref row, ref query, bytes) : Row256(ref row, ref query, bytes);

    // A product of two is at most 2 * 15 * 127 = 3810: the sum of both halves stays within 16 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Row512(ref byte row, ref sbyte query, int bytes)
    {
        var nibble = Vector512.Create((byte)15);
        var total = Vector512<int>.Zero;
        for (var i = 0; i < bytes; i += 64)
        {
            var both = Vector512.LoadUnsafe(ref row, (nuint)i);
            var high = (both.AsUInt16() >>> 4).AsByte() & nibble;
            var products = Avx512BW.MultiplyAddAdjacent(both & nibble, Vector512.LoadUnsafe(ref query, (nuint)i))
                + Avx512BW.MultiplyAddAdjacent(high, Vector512.LoadUnsafe(ref query, (nuint)(bytes + i)));
            total += Avx512BW.MultiplyAddAdjacent(products, Vector512<short>.One);
        }
        return total.GetLower() + total.GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Row256(ref byte row, ref sbyte query, int bytes)
    {
        var nibble = Vector256.Create((byte)15);
        var total = Vector256<int>.Zero;
        for (var i = 0; i < bytes; i += 32)
        {
            var both = Vector256.LoadUnsafe(ref row, (nuint)i);
            var high = (both.AsUInt16() >>> 4).AsByte() & nibble;
            var products = Avx2.MultiplyAddAdjacent(both & nibble, Vector256.LoadUnsafe(ref query, (nuint)i))
                + Avx2.MultiplyAddAdjacent(high, Vector256.LoadUnsafe(ref query, (nuint)(bytes + i)));
            total += Avx2.MultiplyAddAdjacent(products, Vector256<short>.One);
        }
        return total;
    }
}
