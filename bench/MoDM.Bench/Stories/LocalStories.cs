using System.Numerics.Tensors;
using MoDM.Bench.Scoring;
using MoDM.Onnx;

namespace MoDM.Bench.Stories;

/// <summary>A Mamba folder in this process: writes endings, rates texts, and embeds their tokens.</summary>
internal sealed class LocalStories(string folder) : ITokenEncoder
{
    private const int MostTokens = 96;

    private readonly NeoxTokenizer _tokenizer = NeoxTokenizer.Load(folder);
    private readonly MambaModel _model = MambaModel.Load(Path.Combine(folder, "model.onnx"), new OnnxOptions());

    /// <summary>The likeliest token each time, until the end of the story.</summary>
    public string Ending(string prompt)
    {
        var (state, logits, written) = (new MambaState(_model.Shape), new float[_model.Shape.Vocabulary], new List<int>());
        _model.Read(_tokenizer.Encode(prompt.TrimEnd()), state, logits);
        while (TensorPrimitives.IndexOfMax<float>(logits) is var next && next != _model.Shape.EndToken && written.Count < MostTokens)
        {
            written.Add(next);
            _model.Read([next], state, logits);
        }
        return _tokenizer.Decode(written, skipSpecial: true).Trim();
    }

    /// <summary>-ln p of the tokens of both but the first, and from which on they are the ending's.</summary>
    public (double[] Losses, int EndingFrom) Losses(string prompt, string ending) =>
        (_model.Losses(_tokenizer.Encode($"{prompt} {ending}")), Math.Max(_tokenizer.Encode(prompt).Length - 1, 0));

    public int[] Bordered(string text) => [_model.Shape.EndToken, .. _tokenizer.Encode(text), _model.Shape.EndToken];

    public EmbeddedText Embed(int[] ids, double[] weights)
    {
        var (hidden, width) = (new float[ids.Length * _model.Shape.Model], _model.Shape.Model);
        _model.Read(ids, new MambaState(_model.Shape), new float[_model.Shape.Vocabulary], hidden);
        return new EmbeddedText([.. hidden.Chunk(width)], weights);
    }

    public void Dispose() => _model.Dispose();
}
