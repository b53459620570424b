namespace MoDM.Bench.Scoring;

/// <summary>Gives the tokens of a text vectors that BERTScore compares.</summary>
internal interface ITokenEncoder : IDisposable
{
    /// <summary>A text between two border tokens.</summary>
    int[] Bordered(string text);

    /// <param name="ids">Borders included.</param>
    /// <param name="weights">One a token.</param>
    EmbeddedText Embed(int[] ids, double[] weights);
}
