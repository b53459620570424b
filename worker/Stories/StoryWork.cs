using MoDM.Api;
using MoDM.Onnx;

namespace MoDM.Worker.Stories;

/// <summary>A worker that writes. Owns the loop and the model.</summary>
internal sealed class StoryWork(StoryFolder folder, StoryLoop loop) : IWorkload, IDisposable
{
    private MambaModel? _model;

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

    public void Start() => loop.Start(_model!, Tokenizer!);

    public void Dispose()
    {
        loop.Dispose();
        _model?.Dispose();
    }
}
