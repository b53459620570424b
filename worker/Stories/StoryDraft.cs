using System.Diagnostics;
using MoDM.Onnx;

namespace MoDM.Worker.Stories;

/// <summary>One text of a task, from its admission to its end, and who waits for it.</summary>
internal sealed class StoryDraft(StoryTask task, int index)
{
    private readonly TaskCompletionSource<Story> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private StoryText? _text;
    private TokenHistory? _history;
    private long _start;
    private int _tokens;

    public StoryTask Task => task;

    /// <summary>The text; cancelled when the task was.</summary>
    public Task<Story> Done => _done.Task;

    /// <summary>The token that was chosen last.</summary>
    public int Last { get; private set; }

    public TimeSpan Age => Stopwatch.GetElapsedTime(_start);

    /// <summary>Its prompt has been read.</summary>
    public void Begin(NeoxTokenizer tokenizer)
    {
        _text = new StoryText(tokenizer, task.Stops, task.TrimStart);
        _history = new TokenHistory(task.Rule, task.Prompt);
        _start = Stopwatch.GetTimestamp();
    }

    /// <summary>Chooses the next token and takes it into the text.</summary>
    /// <returns>The whole text when it ends by this token.</returns>
    public Story? Continue(TokenSampler sampler, Span<float> logits, int endToken)
    {
        Last = sampler.Pick(logits, task.Rule, _history!, TokenSampler.Chance(unchecked(task.Seed + index), _tokens));
        _tokens++;
        if (Last == endToken)
            return Close(StoryEnd.Stop);
        _history!.Add(Last);
        Show(_text!.Add(Last));
        if (_text.Stopped)
            return Close(StoryEnd.Stop);
        return _tokens == task.MaxTokens ? Close(StoryEnd.Length) : null;
    }

    public void Finish(Story? story)
    {
        if (story is null)
            _done.TrySetCanceled(task.Cancelled);
        else
            _done.TrySetResult(story);
    }

    public void Fail(Exception e) => _done.TrySetException(e);

    private Story Close(StoryEnd end)
    {
        Show(_text!.End());
        // What was held back may have completed nothing, but half a character's end may complete a stop string.
        return new Story(_text.ToString(), _tokens, _text.Stopped ? StoryEnd.Stop : end);
    }

    private void Show(string piece)
    {
        if (piece.Length > 0)
            task.Progress?.Invoke(index, piece);
    }
}

/// <summary>An admitted task: its texts.</summary>
internal sealed class StoryJob(StoryTask task)
{
    public StoryTask Task => task;

    public IReadOnlyList<StoryDraft> Drafts { get; } = [.. Enumerable.Range(0, task.Count).Select(i => new StoryDraft(task, i))];
}
