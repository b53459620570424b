namespace MoDM.Worker;

/// <summary>SplitMix64 (Steele et al. 2014): a sequence of well-mixed numbers from any state.</summary>
internal static class SplitMix64
{
    /// <summary>Of a 53-bit number, in [0, 1).</summary>
    public const double Unit = 1.0 / (1UL << 53);

    public static ulong Next(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>The state at which a stream starts: hashed, so that neighbouring seeds and streams share nothing.</summary>
    public static ulong Stream(long seed, int stream)
    {
        var mix = (ulong)seed;
        return Next(ref mix) ^ ((ulong)stream * 0xD1B54A32D192ED03);
    }
}
