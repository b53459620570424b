using System.Numerics;

namespace MoDM.Worker.Diffusion;

/// <summary>Fills a span with standard normal noise; stream 0 is the start of an image, stream 1 + i its step i.</summary>
internal delegate void NoiseSource(int stream, Span<float> target);

/// <summary>
/// Noise from (seed, stream) alone, so that an image does not depend on the batch it is drawn in, nor on the machine
/// (complaint row 23): SplitMix64 (Steele et al. 2014) seeds xoshiro256** (Blackman and Vigna 2018), and Box-Muller in
/// double turns each pair of draws into two values, cosine first.
/// </summary>
internal static class GaussianNoise
{
    public static NoiseSource From(long seed) => (stream, target) => Fill(seed, stream, target);

    public static void Fill(long seed, int stream, Span<float> target)
    {
        var mix = SplitMix64.Stream(seed, stream);
        ulong a = SplitMix64.Next(ref mix), b = SplitMix64.Next(ref mix), c = SplitMix64.Next(ref mix), d = SplitMix64.Next(ref mix);
        for (var i = 0; i < target.Length; i += 2)
        {
            // (0, 1] for the logarithm, [0, 1) for the angle.
            var radius = Math.Sqrt(-2 * Math.Log(((Next(ref a, ref b, ref c, ref d) >> 11) + 1) * SplitMix64.Unit));
            var angle = 2 * Math.PI * ((Next(ref a, ref b, ref c, ref d) >> 11) * SplitMix64.Unit);
            target[i] = (float)(radius * Math.Cos(angle));
            if (i + 1 < target.Length)
                target[i + 1] = (float)(radius * Math.Sin(angle));
        }
    }

    private static ulong Next(ref ulong a, ref ulong b, ref ulong c, ref ulong d)
    {
        var result = BitOperations.RotateLeft(b * 5, 7) * 9;
        var t = b << 17;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= t;
        d = BitOperations.RotateLeft(d, 45);
        return result;
    }
}
