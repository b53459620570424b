using MoDM.Bench.Scoring;
using MoDM.Fakes;

namespace MoDM.Bench.Tests.Scoring;

public class PorterStemmerTests
{
    [Fact]
    public void Stems_are_those_of_nltk()
    {
        var stems = Golden.Json("stories/porter_stems.json").GetProperty("stems").EnumerateObject().ToList();

        Assert.Equal(977, stems.Count);
        Assert.All(stems, s => Assert.Equal(s.Value.GetString(), PorterStemmer.Stem(s.Name)));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("Kites", "kite")]
    [InlineData("3.45", "3.45")]
    [InlineData("\u043a\u0440\u0430\u0441\u043d\u044b\u0439", "\u043a\u0440\u0430\u0441\u043d\u044b\u0439")]
    [InlineData("\U0001f319", "\U0001f319")]
    public void What_is_no_English_word_stays_but_for_its_case(string word, string stem) => Assert.Equal(stem, PorterStemmer.Stem(word));
}
