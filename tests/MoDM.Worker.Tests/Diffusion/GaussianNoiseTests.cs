using MoDM.Worker.Diffusion;

namespace MoDM.Worker.Tests.Diffusion;

public class GaussianNoiseTests
{
    // Complaint row 23.
    [Fact]
    public void Noise_comes_from_seed_and_stream_alone()
    {
        Assert.Equal(Draw(7, 0, 64), Draw(7, 0, 64));
        Assert.Equal(Draw(7, 3, 64), Draw(7, 3, 65)[..64]);
        Assert.NotEqual(Draw(7, 0, 64), Draw(8, 0, 64));
        Assert.NotEqual(Draw(7, 0, 64), Draw(7, 1, 64));
    }

    // Recorded from this generator: pictures must not change between releases.
    [Fact]
    public void The_first_values_of_seed_0_stay_what_they_are() =>
        Assert.Equal(Recorded, Draw(0, 0, 4));

    [Fact]
    public void Noise_is_standard_normal()
    {
        var values = Enumerable.Range(0, 200).SelectMany(seed => Draw(seed, 0, 1000)).ToArray();
        var mean = values.Average();
        var variance = values.Average(v => (v - mean) * (v - mean));
        Assert.Equal(0, mean, 0.01);
        Assert.Equal(1, variance, 0.01);
        Assert.Equal(3, values.Average(v => Math.Pow(v, 4)), 0.06);
        Assert.Equal(0.0455, values.Count(v => Math.Abs(v) > 2) / 200_000.0, 0.002);
    }

    [Fact]
    public void Neighbouring_seeds_are_not_alike()
    {
        var (a, b) = (Draw(1, 0, 20_000), Draw(2, 0, 20_000));
        Assert.Equal(0, a.Zip(b, (x, y) => x * y).Average(), 0.03);
        Assert.Equal(0, a.Zip(a.Skip(1), (x, y) => x * y).Average(), 0.03);
    }

    private static readonly float[] Recorded = [-0.188282922f, 0.0372154638f, -0.385246605f, 1.86086118f];

    private static float[] Draw(long seed, int stream, int count)
    {
        var values = new float[count];
        GaussianNoise.Fill(seed, stream, values);
        return values;
    }
}
