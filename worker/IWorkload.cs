using MoDM.Api;
using MoDM.Onnx;

namespace MoDM.Worker;

/// <summary>What a worker serves with its one model: pictures or stories.</summary>
internal interface IWorkload
{
    /// <summary>The model's, for messages.</summary>
    string Folder { get; }

    /// <summary>Images or texts at once.</summary>
    int Capacity { get; }

    /// <summary>Of pictures, once the model is loaded.</summary>
    SizeRule? Sizes { get; }

    /// <summary>Nothing is admitted, and what was admitted is finished.</summary>
    bool Draining { get; }

    void Drain(bool drain);

    /// <summary>Drains for good; the task ends when what was admitted is finished.</summary>
    Task EndAsync();

    /// <exception cref="ModelException">The folder cannot be used.</exception>
    Task LoadAsync(OnnxOptions options);

    /// <summary>Every network once: the first run of each allocates and compiles.</summary>
    void WarmUp();

    /// <summary>Begins with what was admitted.</summary>
    void Start();
}
