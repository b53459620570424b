namespace MoDM.Onnx.Tests;

public class UnicodeNfcTests
{
    [Theory]
    [InlineData("cafe\u0301", "caf\u00e9")]
    [InlineData("A\u030a", "\u00c5")]
    [InlineData("\u212b", "\u00c5")] // Angstrom sign: a singleton
    [InlineData("\u1100\u1161\u11a8", "\uac01")] // Hangul, computed
    [InlineData("\uac00\u11a8", "\uac01")]
    [InlineData("a\u0323\u0307", "\u1ea1\u0307")]
    [InlineData("a\u0307\u0323", "\u1ea1\u0307")] // marks sorted by class
    [InlineData("\u0958", "\u0915\u093c")] // excluded from composition
    [InlineData("a\u0301\u0301", "\u00e1\u0301")] // blocked by a mark of the same class
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("\ud834\udd5e", "\ud834\udd57\ud834\udd65")] // musical half note
    [InlineData("plain text", "plain text")]
    public void Text_is_composed_as_the_standard_says(string text, string composed) =>
        Assert.Equal(composed, UnicodeNfc.Normalize(text));
}
