using System.Text.Json;
using MoDM.Fakes;
using MoDM.Onnx;
using MoDM.Worker.Diffusion;
using MoDM.Worker.Pipelines;

namespace MoDM.Worker.Tests.Pipelines;

/// <summary>Every recorded run of the reference pipelines, from the recorded noise.</summary>
public class PipelineGoldenTests
{
    private static readonly JsonElement Runs = Golden.Json("pipelines.json");

    public static TheoryData<int, string> Cases()
    {
        var data = new TheoryData<int, string>();
        foreach (var (i, run) in Runs.GetProperty("runs").EnumerateArray().Index())
            data.Add(i, $"{run.GetProperty("model").GetString()} {run.GetProperty("name").GetString()}");
        return data;
    }

    [Theory, MemberData(nameof(Cases))]
    public async Task Latents_and_pictures_equal_those_of_diffusers(int index, string name)
    {
        var run = Runs.GetProperty("runs")[index];
        using var pipeline = await Load(run);
        var golden = Golden.Npy(run.GetProperty("latents").GetString()!).Values;
        var pictures = run.TryGetProperty("pictures", out var p) ? p : default;

        // One image a batch, and for the short runs the three of them in one batch.
        foreach (var batch in run.GetProperty("steps").GetInt32() > 20 ? [1] : new[] { 1, 3 })
        {
            var drawn = Tasks(run).Chunk(batch).SelectMany(pipeline.Draw).ToArray();
            for (var i = 0; i < 3; i++)
            {
                var latents = drawn[i]!.Latents;
                var worst = latents.Select((v, k) => Math.Abs(v - golden[i * latents.Length + k])).Max();
                Assert.True(worst <= 1e-3, $"{name}, image {i}, batch of {batch}: latents differ by {worst}");
                if (pictures.ValueKind != JsonValueKind.Array)
                    continue;
                var expected = RgbImage.Decode(Golden.Bytes(pictures[i].GetString()!)).Pixels;
                var mean = drawn[i]!.Picture.Pixels.Zip(expected, (a, b) => Math.Abs(a - b)).Average();
                Assert.True(mean <= 2, $"{name}, image {i}: pictures differ by {mean} of 255");
            }
        }
    }

    [Theory]
    [InlineData("large")]
    [InlineData("small")]
    public async Task Text_states_and_latents_of_pictures_equal_those_of_the_reference(string model)
    {
        using var pipeline = await DiffusionPipeline.LoadAsync(ModelFolder.Read(Repo.Model($"postcards-{model}")), new OnnxOptions());
        var prompts = Runs.GetProperty("prompts").EnumerateArray().Select(p => p.GetString()!).Prepend("");
        Close(Golden.Npy($"{model}/text-states.npy").Values, [.. prompts.SelectMany(pipeline.Encode)], 1e-4);
        var sources = Enumerable.Range(0, 3).Select(i => RgbImage.Decode(Golden.Bytes($"source-{i}.png")));
        Close(Golden.Npy($"{model}/source-latents.npy").Values, [.. sources.SelectMany(pipeline.Encode)], 1e-4);
    }

    private static IEnumerable<ImageTask> Tasks(JsonElement run)
    {
        var noise = Golden.Npy("noise.npy").Values;
        var size = noise.Length / 3;
        var fresh = run.TryGetProperty("step noise", out var file) ? Golden.Npy(file.GetString()!).Values : [];
        var steps = run.GetProperty("steps").GetInt32();
        var skip = run.TryGetProperty("strength", out var strength)
            ? Math.Max(steps - Math.Min((int)(steps * strength.GetDouble()), steps), 0) : 0;
        for (var i = 0; i < 3; i++)
        {
            var image = i;
            yield return new ImageTask
            {
                Prompt = Runs.GetProperty("prompts")[i].GetString()!,
                Seed = 0,
                Width = 128,
                Height = 128,
                Steps = steps,
                Skip = skip,
                Guidance = run.GetProperty("guidance").GetSingle(),
                Source = run.TryGetProperty("sources", out var sources)
                    ? RgbImage.Decode(Golden.Bytes(sources[i].GetString()!)) : null,
                Noise = (stream, target) => (stream == 0
                    ? noise.AsSpan(image * size, size)
                    : fresh.AsSpan(((stream - 1) * 3 + image) * size, size)).CopyTo(target),
            };
        }
    }

    private static Task<DiffusionPipeline> Load(JsonElement run)
    {
        var folder = ModelFolder.Read(Repo.Model(run.GetProperty("model").GetString()!));
        var config = new SchedulerConfig("pipelines.json", run.GetProperty("config"), run.GetProperty("scheduler").GetString());
        return DiffusionPipeline.LoadAsync(folder with { Scheduling = NoiseSchedulers.Read(config) }, new OnnxOptions());
    }

    private static void Close(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        var worst = expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max();
        Assert.True(worst <= tolerance, $"{worst}");
    }
}
