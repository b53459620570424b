using MoDM.Onnx;

namespace MoDM.Worker.Stories;

/// <summary>
/// The texts that are being written, a token of each a turn, and the one prompt that is being read: a piece a turn, so that
/// the texts do not wait for a long prompt. For one thread.
/// </summary>
internal sealed class StoryWriter : IDisposable
{
    /// <summary>Tokens of a prompt read between two steps. Always the same, so that a prompt's rounding does not depend on others.</summary>
    public const int Piece = 64;

    private readonly MambaModel _model;
    private readonly NeoxTokenizer _tokenizer;
    private readonly StoryMetrics _metrics;
    private readonly Action<int> _released;
    private readonly MambaBatch _batch;
    private readonly MambaState _state;
    private readonly TokenSampler _sampler;
    private readonly float[] _prompt, _logits;
    private readonly int[] _tokens;

    // By row of the batch.
    private readonly List<StoryDraft> _drafts = [];
    private StoryJob? _reading;
    private int _read, _begun;

    /// <param name="released">Told how many texts are about to be done, before anyone who waits for them is.</param>
    public StoryWriter(MambaModel model, NeoxTokenizer tokenizer, int capacity, StoryMetrics metrics, Action<int> released)
    {
        (_model, _tokenizer, _metrics, _released) = (model, tokenizer, metrics, released);
        _batch = model.NewBatch(capacity);
        _state = new MambaState(model.Shape);
        _sampler = new TokenSampler(model.Shape.Vocabulary);
        (_prompt, _logits) = (new float[model.Shape.Vocabulary], new float[model.Shape.Vocabulary]);
        _tokens = new int[capacity];
    }

    /// <summary>Reads a piece of a prompt, then writes a token of each text.</summary>
    /// <param name="next">The task whose turn it is, asked for when no prompt is being read and there is room for another text.</param>
    /// <returns>False when there was nothing to do.</returns>
    public bool Turn(Func<StoryJob?> next)
    {
        DropCancelled();
        if (_reading is null && _batch.Count < _batch.Capacity)
            (_reading, _read, _begun) = (next(), 0, 0);
        if (_reading is null && _drafts.Count == 0)
            return false;
        if (_reading is { } job)
            Read(job);
        if (_drafts.Count > 0)
            Step();
        return true;
    }

    /// <summary>Ends all that it holds.</summary>
    public void Fail(Exception e)
    {
        var failed = _drafts.Concat(_reading?.Drafts.Skip(_begun) ?? []).ToArray();
        while (_batch.Count > 0)
            _batch.Leave(_batch.Count - 1);
        _drafts.Clear();
        _reading = null;
        _released(failed.Length);
        foreach (var draft in failed)
            draft.Fail(e);
    }

    public void Dispose() => _batch.Dispose();

    private void DropCancelled()
    {
        for (var row = _drafts.Count - 1; row >= 0; row--)
        {
            if (_drafts[row].Task.Cancelled.IsCancellationRequested)
                Finish(Leave(row), null);
        }
        if (_reading?.Task.Cancelled.IsCancellationRequested != true)
            return;
        foreach (var draft in _reading.Drafts.Skip(_begun))
            Finish(draft, null);
        _reading = null;
    }

    private void Read(StoryJob job)
    {
        var prompt = job.Task.Prompt;
        if (_read == 0)
            _state.Clear();
        if (_read < prompt.Length)
        {
            var piece = prompt.AsSpan(_read, Math.Min(Piece, prompt.Length - _read));
            _model.Read(piece, _state, _prompt);
            _read += piece.Length;
            if (_read < prompt.Length)
                return;
            _metrics.PromptTokens(prompt.Length);
        }
        // Those for which there is no room begin later, from the same state.
        while (_batch.Count < _batch.Capacity && _begun < job.Drafts.Count)
        {
            // Counted as begun once it is in the batch or done, so that a failure in between ends it too.
            var draft = job.Drafts[_begun];
            draft.Begin(_tokenizer);
            _prompt.CopyTo(_logits, 0);
            if (!Continue(draft, _logits))
            {
                _batch.Join(_state);
                _drafts.Add(draft);
            }
            _begun++;
        }
        if (_begun == job.Drafts.Count)
            _reading = null;
    }

    private void Step()
    {
        for (var row = 0; row < _drafts.Count; row++)
            _tokens[row] = _drafts[row].Last;
        _metrics.Step(_batch.Step(_tokens.AsSpan(0, _drafts.Count)));
        // From the last row, since a row that leaves is replaced by the last.
        for (var row = _drafts.Count - 1; row >= 0; row--)
        {
            if (Continue(_drafts[row], _batch.Logits(row)))
                Leave(row);
        }
    }

    private bool Continue(StoryDraft draft, Span<float> logits)
    {
        _metrics.CompletionToken();
        if (draft.Continue(_sampler, logits, _model.Shape.EndToken) is not { } story)
            return false;
        _metrics.Generation(draft.Age);
        Finish(draft, story);
        return true;
    }

    private StoryDraft Leave(int row)
    {
        var draft = _drafts[row];
        _batch.Leave(row);
        _drafts[row] = _drafts[^1];
        _drafts.RemoveAt(_drafts.Count - 1);
        return draft;
    }

    private void Finish(StoryDraft draft, Story? story)
    {
        _released(1);
        draft.Finish(story);
    }
}
