namespace MoDM.Onnx;

/// <summary>Bytes that should be a picture are not one that can be read, or it is too large to be unpacked.</summary>
public sealed class ImageFormatException : Exception
{
    public ImageFormatException()
    {
    }

    public ImageFormatException(string message)
        : base(message)
    {
    }

    public ImageFormatException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
