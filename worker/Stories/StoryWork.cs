using MoDM.Api;
using MoDM.Onnx;

namespace MoDM.Worker.Stories;

/// <summary>A worker that writes. Owns the loop and the model.</summary>
internal sealed class StoryWork(StoryFolder folder, StoryLoop loop) : IWorkload, IDisposable
{
    /// <summary>
    /// Bytes of a network up to which it stays in a core's cache: there, threads are better used for batches of their own than
    /// within one operator, whose parts are too small to be worth waiting for each other (bench/results/stories.md).
    /// </summary>
    private const long SmallNetwork = 32 << 20;

    private MambaModel? _model;
    private int _lanes = 1;

    /// <summary>Null until the model is loaded.</summary>
    public NeoxTokenizer? Tokenizer { get; private set; }

    public string Folder => folder.Root;

    public int Capacity => loop.Capacity;

    public SizeRule? Sizes => null;

    public bool Draining => loop.Draining;

    public void Drain(bool drain) => loop.Drain(drain);

    public Task EndAsync() => loop.EndAsync();

    public Task LoadAsync(OnnxOptions options)
    {
        if (options.Device == OnnxDevice.Cpu && folder.NetworkBytes <= SmallNetwork)
            (_lanes, options) = (Math.Min(options.Threads, loop.Capacity), options with { Threads = 1 });
        _model = MambaModel.Load(folder.Network, options);
        var tokenizer = NeoxTokenizer.Load(folder.Root);
        if (tokenizer.Count > _model.Shape.Vocabulary)
        {
            throw new ModelException(
                $"{folder.Root}/tokenizer.json: has {tokenizer.Count} tokens, more than the network's {_model.Shape.Vocabulary}; they are not a pair.");
        }
        Tokenizer = tokenizer;
        return Task.CompletedTask;
    }

    public void WarmUp()
    {
        var state = new MambaState(_model!.Shape);
        _model.Read([0, 0], state, new float[_model.Shape.Vocabulary]);
        using var batch = _model.NewBatch(loop.Capacity);
        while (batch.Count < batch.Capacity)
            batch.Join(state);
        for (; batch.Count > 0; batch.Leave(0))
            batch.Step(new int[batch.Count]);
    }

    public void Start() => loop.Start(_model!, Tokenizer!, _lanes);

    public void Dispose()
    {
        loop.Dispose();
        _model?.Dispose();
    }
}
