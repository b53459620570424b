using System.Globalization;
using System.Net.Http.Json;
using MoDM.Onnx;

namespace MoDM.EndToEnd.Tests;

/// <summary>Memory of gateway and workers levels off over many requests of mixed sizes (complaint 24).</summary>
public sealed class MemoryTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private const int Requests = 500;
    private static readonly (int Width, int Height)[] Sizes = [(128, 128), (512, 384), (64, 64), (1024, 1024), (97, 161), (800, 200)];
    private static readonly string[] Formats = ["png", "webp", "jpeg"];

    [Fact]
    public async Task Memory_levels_off_over_500_requests_of_mixed_sizes()
    {
        var pictures = Sizes.Select(s => new RgbImage(s.Width, s.Height, new byte[s.Width * s.Height * 3]).Encode(ImageEncoding.Png)).ToArray();
        var samples = new List<long>();
        for (var done = 0; done < Requests; done += 4)
        {
            await Task.WhenAll(Enumerable.Range(done, 4).Select(i => SendAsync(i, pictures)));
            samples.Add(TotalMemory() >> 20);
        }

        // Garbage comes and goes, so quarters are compared by their means: what leaked would grow with every request.
        var quarters = samples.Chunk(samples.Count / 4 + 1).Select(q => q.Average()).ToList();
        TestContext.Current.SendDiagnosticMessage("MB by quarter: {0}", string.Join(", ", quarters.Select(q => $"{q:0}")));
        Assert.True(quarters[3] < quarters[1] * 1.1, $"MB by quarter: {string.Join(", ", quarters.Select(q => $"{q:0}"))}");
    }

    private async Task SendAsync(int i, byte[][] pictures)
    {
        var cancel = TestContext.Current.CancellationToken;
        HttpResponseMessage response;
        if (i % 3 == 0)
        {
            using var form = new MultipartFormDataContent
            {
                { new StringContent("a red kite"), "prompt" }, { new StringContent("4"), "num_inference_steps" },
                { new StringContent(Formats[i % 2]), "output_format" }, { new ByteArrayContent(pictures[i % pictures.Length]), "image", "a.png" },
            };
            response = await fixture.Gateway.Http.PostAsync("/v1/images/edits", form, cancel);
        }
        else
        {
            response = await fixture.Gateway.Http.PostAsJsonAsync("/v1/images/generations", new
            {
                prompt = $"a red kite {i % 40}",
                n = 1 + i % 2,
                num_inference_steps = 2 + i % 5,
                output_format = Formats[i % 3],
            }, cancel);
        }
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(cancel));
    }

    /// <summary>Resident bytes of the gateway and its workers.</summary>
    private long TotalMemory() => fixture.Gateway.Workers().Select(w => w.ProcessId).Append(fixture.Gateway.ProcessId).Sum(id =>
    {
        var line = File.ReadLines($"/proc/{id}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) << 10;
    });
}
