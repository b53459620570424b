namespace MoDM.Onnx;

/// <summary>A model folder or file cannot be used; the message names the file, what is wrong and what would be right.</summary>
public sealed class ModelException : Exception
{
    public ModelException()
    {
    }

    public ModelException(string message)
        : base(message)
    {
    }

    public ModelException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
