using System.Numerics;
using System.Numerics.Tensors;

namespace MoDM.Gateway.Cache;

/// <summary>
/// A fixed random rotation: three rounds of random signs and a Walsh-Hadamard transform. It keeps all cosines and spreads
/// every vector's length over all coordinates, so that one step width quantises any embedding well.
/// </summary>
internal sealed class Rotation
{
    private const int Rounds = 3;
    private const int Seed = 1;

    private readonly float[][] _signs;

    public Rotation(int dimension)
    {
        Size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(dimension, 64));
        var random = new Random(Seed);
        _signs = [.. Enumerable.Range(0, Rounds)
            .Select(_ => Enumerable.Range(0, Size).Select(_ => random.Next(2) * 2f - 1).ToArray())];
    }

    /// <summary>Length of a rotated vector: the dimension, rounded up to a power of two, at least 64.</summary>
    public int Size { get; }

    public void Apply(ReadOnlySpan<float> vector, Span<float> rotated)
    {
        rotated.Clear();
        vector.CopyTo(rotated);
        foreach (var signs in _signs)
        {
            TensorPrimitives.Multiply(rotated, signs, rotated);
            Hadamard(rotated);
        }
    }

    private static void Hadamard(Span<float> x)
    {
        Span<float> difference = stackalloc float[x.Length / 2];
        for (var half = 1; half < x.Length; half *= 2)
        {
            for (var i = 0; i < x.Length; i += 2 * half)
            {
                var a = x.Slice(i, half);
                var b = x.Slice(i + half, half);
                var d = difference[..half];
                TensorPrimitives.Subtract(a, b, d);
                TensorPrimitives.Add(a, b, a);
                d.CopyTo(b);
            }
        }
        TensorPrimitives.Multiply(x, 1 / MathF.Sqrt(x.Length), x);
    }
}
