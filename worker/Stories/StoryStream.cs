using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using MoDM.Api;
using MoDM.Http;

namespace MoDM.Worker.Stories;

/// <summary>
/// A request's server-sent events as OpenAI sends them: chunks of each text, at last its reason to finish, then usage
/// where it was asked for, and <c>[DONE]</c>. The writing thread only posts; what has come meanwhile goes out together.
/// </summary>
internal sealed partial class StoryStream(StoryPlan plan, PipeWriter body)
{
    private readonly record struct Posted(int Choice, string Text, Task<Story>? Done);

    private readonly Channel<Posted> _channel = Channel.CreateUnbounded<Posted>(new() { SingleReader = true });

    /// <summary>From the writing thread.</summary>
    public void Post(int choice, string text) => _channel.Writer.TryWrite(new(choice, text, null));

    public async Task WriteAsync(HttpContext context, IReadOnlyList<Task<Story>> texts, long created)
    {
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        var answers = plan.Answers(created);
        for (var i = 0; i < texts.Count; i++)
        {
            Begin(answers, i);
            _ = Follow(i, texts[i]);
        }
        await body.FlushAsync(context.RequestAborted);
        var open = texts.Count;
        while (open > 0 && await _channel.Reader.WaitToReadAsync(context.RequestAborted))
        {
            while (_channel.Reader.TryRead(out var posted))
            {
                if (posted.Done is null)
                {
                    Add(answers, posted.Choice, posted.Text, null);
                    continue;
                }
                if (posted.Done.IsCanceled)
                    return;
                if (posted.Done.IsFaulted)
                {
                    var failure = posted.Done.Exception.InnerException!;
                    Log.Failed(context.RequestServices.GetRequiredService<ILogger<StoryStream>>(), failure);
                    Event(new ApiErrorBody(ApiErrors.Failure(failure)), ApiJson.Default.ApiErrorBody);
                    await body.FlushAsync(context.RequestAborted);
                    return;
                }
                Add(answers, posted.Choice, "", posted.Done.Result);
                open--;
            }
            if (open > 0)
                await body.FlushAsync(context.RequestAborted);
        }
        await EndAsync(context, answers, texts);
    }

    // Posted after all of the text's pieces, so events stay in order.
    private async Task Follow(int choice, Task<Story> done)
    {
        await ((Task)done).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _channel.Writer.TryWrite(new(choice, "", done));
    }

    private void Begin(StoryAnswers answers, int choice)
    {
        if (plan.Chat)
            Event(answers.ChatChunk(choice, new("assistant", ""), null), ApiJson.Default.ChatResponse);
        else if (plan.Echo(choice) is { Length: > 0 } echo)
            Add(answers, choice, echo, null);
    }

    private void Add(StoryAnswers answers, int choice, string text, Story? story)
    {
        if (plan.Chat)
            Event(answers.ChatChunk(choice, new(null, story is null ? text : null), story is null ? null : StoryPlan.Reason(story)), ApiJson.Default.ChatResponse);
        else
            Event(answers.CompletionChunk(choice, text, story is null ? null : StoryPlan.Reason(story)), ApiJson.Default.CompletionResponse);
    }

    private async Task EndAsync(HttpContext context, StoryAnswers answers, IReadOnlyList<Task<Story>> texts)
    {
        if (plan.Request.IncludeUsage)
        {
            var stories = await Task.WhenAll(texts);
            if (plan.Chat)
                Event(answers.ChatUsage(plan.Usage(stories)), ApiJson.Default.ChatResponse);
            else
                Event(answers.CompletionUsage(plan.Usage(stories)), ApiJson.Default.CompletionResponse);
        }
        body.Write("data: [DONE]\n\n"u8);
        await body.FlushAsync(context.RequestAborted);
    }

    private void Event<T>(T value, JsonTypeInfo<T> type)
    {
        body.Write("data: "u8);
        using (var writer = new Utf8JsonWriter(body))
            JsonSerializer.Serialize(writer, value, type);
        body.Write("\n\n"u8);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "A story failed")]
        public static partial void Failed(ILogger log, Exception e);
    }
}
