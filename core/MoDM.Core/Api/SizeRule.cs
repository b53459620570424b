namespace MoDM.Api;

/// <summary>The pictures a model can draw.</summary>
/// <param name="Width">Pixels, when a request does not say.</param>
/// <param name="Multiple">Other sizes are multiples of it; 0 when the model's file fixes the size.</param>
public sealed record SizeRule(int Width, int Height, int Multiple)
{
    /// <summary>Longest side of a picture, where the file leaves it free.</summary>
    public const int MaxSide = 2048;

    public string Default() => $"{Width}x{Height}";

    /// <summary>Why a size cannot be drawn, or null.</summary>
    public string? Refuse(int width, int height)
    {
        if (width == Width && height == Height)
            return null;
        if (Multiple == 0)
            return $"{width}x{height} cannot be drawn by this model; it draws {Default()}.";
        var fits = width % Multiple == 0 && height % Multiple == 0
            && width >= 8 * Multiple && height >= 8 * Multiple && width <= MaxSide && height <= MaxSide;
        return fits ? null : $"{width}x{height} cannot be drawn by this model; it draws {Default()} and other sizes whose sides are "
            + $"multiples of {Multiple} from {8 * Multiple} to {MaxSide}.";
    }
}
