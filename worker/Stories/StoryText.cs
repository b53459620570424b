using System.Text;
using MoDM.Onnx;

namespace MoDM.Worker.Stories;

/// <summary>A text as it grows by tokens: only whole characters, up to a stop string.</summary>
/// <param name="trimStart">White space at its very beginning is left out.</param>
internal sealed class StoryText(NeoxTokenizer tokenizer, IReadOnlyList<string> stops, bool trimStart)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly StopMatcher _stops = new(stops);
    private readonly StringBuilder _text = new();

    public bool Stopped => _stops.Stopped;

    /// <returns>What has become certain by this token.</returns>
    public string Add(int token) => tokenizer.IsSpecial(token) ? "" : Append(_stops.Add(Decode(tokenizer.Bytes(token), false)));

    /// <summary>The last token has been added; bytes of half a character become U+FFFD.</summary>
    public string End()
    {
        var rest = _stops.Add(Decode([], true));
        return Append(rest + _stops.End());
    }

    public override string ToString() => _text.ToString();

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        var chars = new char[_decoder.GetCharCount(bytes, flush)];
        return new string(chars, 0, _decoder.GetChars(bytes, chars, flush));
    }

    private string Append(string piece)
    {
        if (trimStart && _text.Length == 0)
            piece = piece.TrimStart();
        _text.Append(piece);
        return piece;
    }
}
