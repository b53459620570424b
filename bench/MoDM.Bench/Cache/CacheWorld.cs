using MoDM.Bench.Traces;
using MoDM.Onnx;
using MoDM.Worker.Pipelines;

namespace MoDM.Bench.Cache;

/// <summary>A trace with everything that a cache sees of it: each prompt's embedding, and that of a picture of the prompt.</summary>
internal sealed record CacheWorld(IReadOnlyList<TraceEntry> Trace, float[][] Texts, float[][] Pictures)
{
    /// <summary>
    /// Draws every different prompt once, from noise. A refined picture is taken to look like one from noise: what it keeps of
    /// its source is not modelled, which is on the hits' side where the source shows something else.
    /// </summary>
    public static async Task<CacheWorld> DrawAsync(
        IReadOnlyList<TraceEntry> trace, ClipEmbedder embedder, string model, int steps, float guidance, int threads, CancellationToken stop)
    {
        using var pipeline = await DiffusionPipeline.LoadAsync(ModelFolder.Read(model), new OnnxOptions { Threads = threads, Spinning = true });
        var drawn = new Dictionary<string, (float[] Text, float[] Picture)>();
        foreach (var batch in trace.DistinctBy(t => t.Prompt).Chunk(8))
        {
            stop.ThrowIfCancellationRequested();
            var pictures = pipeline.Draw([.. batch.Select(t => new ImageTask
            {
                Prompt = t.Prompt,
                Seed = t.Seed,
                Width = pipeline.Sizes.Width,
                Height = pipeline.Sizes.Height,
                Steps = steps,
                Guidance = guidance,
            })]);
            foreach (var (entry, picture) in batch.Zip(pictures))
                drawn[entry.Prompt] = (embedder.EmbedText(entry.Prompt).Vector, embedder.EmbedImage(picture!.Picture));
            if (drawn.Count % 80 == 0) await Console.Error.WriteLineAsync($"{drawn.Count} pictures drawn");
        }
        return new CacheWorld(trace, [.. trace.Select(t => drawn[t.Prompt].Text)], [.. trace.Select(t => drawn[t.Prompt].Picture)]);
    }
}
