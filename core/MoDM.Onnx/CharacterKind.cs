using System.Globalization;
using System.Text;

namespace MoDM.Onnx;

/// <summary>The classes that tokenizers split words by.</summary>
internal static class CharacterKind
{
    /// <summary>
    /// <c>L</c> for letters, <c>N</c> for numbers, <c>Z</c> for white space, <c>S</c> for all else; half a surrogate pair
    /// counts as U+FFFD.
    /// </summary>
    /// <param name="length">UTF-16 units of the code point at <paramref name="index"/>.</param>
    public static char Of(string text, int index, out int length)
    {
        if (Rune.DecodeFromUtf16(text.AsSpan(index), out var rune, out length) != System.Buffers.OperationStatus.Done)
            rune = Rune.ReplacementChar;
        if (Rune.IsWhiteSpace(rune))
            return 'Z';
        return Rune.GetUnicodeCategory(rune) switch
        {
            <= UnicodeCategory.OtherLetter => 'L',
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => 'N',
            _ => 'S',
        };
    }
}
