using System.Threading.Channels;
using MoDM.Api;
using MoDM.Bench.Traces;
using MoDM.Onnx;

namespace MoDM.Bench.Load;

/// <summary>
/// The retrieval-only baseline in front of a system that draws everything: a cached picture that is similar enough is the
/// answer, without a step drawn on it. Embedding and look-up happen inside a request, so latency has them; new pictures
/// are embedded beside it, one at a time, as the gateway does both.
/// </summary>
internal sealed class RetrievalClient : IAsyncDisposable
{
    /// <summary>Stands for a model in figures of who drew what.</summary>
    public const string Nobody = "cached as it was";

    private readonly Channel<Answer> _drawn = Channel.CreateUnbounded<Answer>(new UnboundedChannelOptions { SingleReader = true });
    private readonly ClipEmbedder _embedder;
    private readonly RetrievalCache _cache;
    private readonly Func<TraceEntry, CancellationToken, Task<Answer>> _draw;
    private readonly Task _embedding;

    public RetrievalClient(ClipEmbedder embedder, RetrievalCache cache, Func<TraceEntry, CancellationToken, Task<Answer>> draw)
    {
        (_embedder, _cache, _draw) = (embedder, cache, draw);
        _embedding = Task.Run(EmbedAsync);
    }

    public async Task<Answer> DrawAsync(TraceEntry entry, CancellationToken cancel)
    {
        // Not on the caller's thread: it has other requests to send meanwhile.
        var prompt = await Task.Run(() => _embedder.EmbedText(entry.Prompt), cancel);
        if (!prompt.Truncated && _cache.Find(prompt.Vector) is var (picture, similarity))
            return AsItIs(picture, similarity);
        var answer = await _draw(entry, cancel);
        if (answer.Error is null && !prompt.Truncated)
            _drawn.Writer.TryWrite(answer);
        return answer;
    }

    /// <summary>Waits until every picture is in the cache.</summary>
    public async ValueTask DisposeAsync()
    {
        _drawn.Writer.TryComplete();
        await _embedding;
    }

    private async Task EmbedAsync()
    {
        await foreach (var answer in _drawn.Reader.ReadAllAsync())
            _cache.Add(_embedder.EmbedImage(RgbImage.Decode(answer.Png)), answer);
    }

    private static Answer AsItIs(Answer cached, double similarity) => cached with
    {
        Timing = new Dictionary<string, double>(),
        Story = new ImageStory
        {
            Route = "hit",
            Reason = "a cached picture is similar enough to be the answer",
            Similarity = Math.Round(similarity, 4),
            Images = cached.Part is { } part ? [part with { Model = Nobody, SkippedSteps = part.Steps, QueueMs = null, GenerationMs = null }] : [],
        },
    };
}
