using System.Diagnostics;
using System.Numerics.Tensors;
using MoDM.Api;
using MoDM.Onnx;
using MoDM.Worker.Diffusion;

namespace MoDM.Worker.Pipelines;

/// <summary>
/// Text-to-image and image-to-image with one model, several images at a time. Not safe for concurrent use: one thread
/// draws. Follows diffusers' StableDiffusion and StableDiffusion3 pipelines; entering at step k is their image-to-image
/// with strength (T - k) / T.
/// </summary>
internal sealed class DiffusionPipeline : IDisposable
{
    private readonly ModelFolder _folder;
    private readonly TextEncoder _text;
    private readonly Denoiser _denoiser;
    private readonly Autoencoder _vae;

    // The empty negative prompt comes with nearly every request.
    private readonly float[] _empty;

    private DiffusionPipeline(ModelFolder folder, TextEncoder text, Denoiser denoiser, Autoencoder vae)
    {
        (_folder, _text, _denoiser, _vae) = (folder, text, denoiser, vae);
        Sizes = LatentSizes.RuleOf(
            denoiser.Latents, folder.Vae, folder.DenoiserConfig, folder.File(folder.DenoiserFolder, "model.onnx"));
        var inside = TimeSpan.Zero;
        _empty = text.Encode("", ref inside);
    }

    public SizeRule Sizes { get; }

    public int MaxSteps => _folder.Scheduling.MaxSteps;

    /// <summary>The noise scheduler's class, as diffusers calls it.</summary>
    public string Sampler => _folder.Scheduling.Name;
    public string Revision => _folder.Revision;

    /// <summary>Guidance that diffusers' pipeline of this family takes when it is told none.</summary>
    public double DefaultGuidance => _folder.Family == ModelFamily.Flow ? 7.0 : 7.5;

    /// <summary>Told how long each step of a batch took.</summary>
    public Action<TimeSpan>? Stepped { get; set; }

    /// <summary>Loads the networks side by side.</summary>
    /// <exception cref="ModelException">A network cannot be loaded or does not fit the others.</exception>
    public static async Task<DiffusionPipeline> LoadAsync(ModelFolder folder, OnnxOptions options)
    {
        var tokenizer = Task.Run(() => ClipTokenizer.Load(folder.File("tokenizer")));
        // Only the denoiser runs often enough for its threads to wait spinning.
        var rare = options with { Spinning = false };
        string[] parts = [folder.DenoiserFolder, "text_encoder", "vae_encoder", "vae_decoder"];
        var loads = parts.Select((part, i) => Task.Run(
            () => OnnxModel.Load(folder.File(part, "model.onnx"), i == 0 ? options : rare))).ToArray();
        try
        {
            await Task.WhenAll([tokenizer, .. loads]);
            var models = Array.ConvertAll(loads, l => l.Result);
            var denoiser = new Denoiser(models[0], folder.Family, folder.Vae.Channels, tokenizer.Result.MaxLength);
            var text = new TextEncoder(models[1], tokenizer.Result, denoiser.TextWidth);
            return new DiffusionPipeline(folder, text, denoiser, new Autoencoder(models[2], models[3], folder.Vae));
        }
        catch
        {
            foreach (var load in loads.Where(l => l.IsCompletedSuccessfully))
                load.Result.Dispose();
            throw;
        }
    }

    /// <summary>Draws images that all fit with the first (<see cref="ImageTask.FitsWith"/>).</summary>
    /// <returns>In the order of the tasks; null for those that were cancelled.</returns>
    public DrawnImage?[] Draw(IReadOnlyList<ImageTask> batch)
    {
        var first = batch[0];
        var clock = Stopwatch.GetTimestamp();
        var inside = TimeSpan.Zero;
        var known = new Dictionary<string, float[]> { [""] = _empty };
        var active = new List<Drawing>(batch.Count);
        for (var i = 0; i < batch.Count; i++)
        {
            if (!batch[i].Cancelled.IsCancellationRequested)
                active.Add(Begin(batch[i], i, known, ref inside));
        }

        var arranged = 0;
        for (var step = first.Skip; step < first.Steps; step++)
        {
            var began = Stopwatch.GetTimestamp();
            active.RemoveAll(d => d.Task.Cancelled.IsCancellationRequested);
            if (active.Count == 0)
                break;
            if (arranged != active.Count)
                Arrange(active);
            arranged = active.Count;
            Predict(active, step, ref inside);
            foreach (var drawing in active)
                Advance(drawing, step, ref inside);
            Stepped?.Invoke(Stopwatch.GetElapsedTime(began));
        }

        var results = new DrawnImage?[batch.Count];
        foreach (var drawing in active.Where(d => !d.Task.Cancelled.IsCancellationRequested))
        {
            if (!float.IsFinite(TensorPrimitives.Sum<float>(drawing.Latents)))
                throw new InvalidOperationException("the model's numbers overflowed; a black picture would be the answer.");
            var picture = _vae.Decode(drawing.Latents, first.Width, first.Height, ref inside);
            results[drawing.Index] = new DrawnImage(picture, drawing.Latents, Stopwatch.GetElapsedTime(clock), inside);
        }
        return results;
    }

    /// <summary>The states of a prompt, (length, width).</summary>
    internal float[] Encode(string prompt)
    {
        var inside = TimeSpan.Zero;
        return _text.Encode(prompt, ref inside);
    }

    internal float[] Encode(RgbImage image)
    {
        var inside = TimeSpan.Zero;
        return _vae.Encode(image, ref inside);
    }

    public void Dispose()
    {
        _text.Dispose();
        _denoiser.Dispose();
        _vae.Dispose();
    }

    /// <summary>An image on its way.</summary>
    private sealed class Drawing(ImageTask task, int index, INoiseScheduler scheduler, int size)
    {
        public ImageTask Task => task;
        public int Index => index;
        public INoiseScheduler Scheduler => scheduler;
        public NoiseSource Noise { get; } = task.Noise ?? GaussianNoise.From(task.Seed);
        public float[] Latents { get; } = new float[size];
        public float[] Estimate { get; } = new float[size];
        public float[] Output { get; } = new float[size];
        public float[] Fresh { get; } = scheduler.UsesStepNoise ? new float[size] : [];
        public required float[] States { get; init; }
        public required float[] NegativeStates { get; init; }
    }

    private Drawing Begin(ImageTask task, int index, Dictionary<string, float[]> known, ref TimeSpan inside)
    {
        int width = task.Width / _folder.Vae.Factor, height = task.Height / _folder.Vae.Factor;
        var patch = _folder.DenoiserConfig.Patch;
        var mu = _folder.Scheduling.DynamicShift?.Invoke(width / patch * (height / patch)) ?? 0;
        var scheduler = _folder.Scheduling.Create(new ScheduleRequest(task.Steps, mu));
        var drawing = new Drawing(task, index, scheduler, _denoiser.Channels * width * height)
        {
            States = Known(task.Prompt, known, ref inside),
            NegativeStates = task.Guided ? Known(task.Negative, known, ref inside) : [],
        };
        var noise = new float[drawing.Latents.Length];
        drawing.Noise(0, noise);
        if (task.Source is { } source)
        {
            var data = _vae.Encode(source.Cover(task.Width, task.Height), ref inside);
            scheduler.AddNoise(task.Skip, data, noise, drawing.Latents);
        }
        else
        {
            for (var i = 0; i < noise.Length; i++)
                drawing.Latents[i] = noise[i] * scheduler.InitNoiseSigma;
        }
        return drawing;
    }

    private float[] Known(string prompt, Dictionary<string, float[]> known, ref TimeSpan inside)
    {
        if (!known.TryGetValue(prompt, out var states))
            known[prompt] = states = _text.Encode(prompt, ref inside);
        return states;
    }

    // Rows of a guided run: all negatives, then all prompts.
    private void Arrange(List<Drawing> active)
    {
        var task = active[0].Task;
        var rows = task.Guided ? 2 * active.Count : active.Count;
        _denoiser.Prepare(rows, task.Height / _folder.Vae.Factor, task.Width / _folder.Vae.Factor);
        for (var i = 0; i < active.Count; i++)
        {
            if (task.Guided)
                active[i].NegativeStates.CopyTo(_denoiser.States(i));
            active[i].States.CopyTo(_denoiser.States(rows - active.Count + i));
        }
    }

    private void Predict(List<Drawing> active, int step, ref TimeSpan inside)
    {
        var guided = active[0].Task.Guided;
        for (var i = 0; i < active.Count; i++)
        {
            active[i].Scheduler.ScaleInput(step, active[i].Latents, _denoiser.Input(i));
            if (guided)
                _denoiser.Input(i).CopyTo(_denoiser.Input(active.Count + i));
        }
        inside += _denoiser.Run(active[0].Scheduler.Timesteps[step]);
        for (var i = 0; i < active.Count; i++)
        {
            var output = active[i].Output;
            if (!guided)
            {
                _denoiser.Prediction(i).CopyTo(output);
                continue;
            }
            // negative + guidance * (prompt - negative)
            var negative = _denoiser.Prediction(i);
            var prompt = _denoiser.Prediction(active.Count + i);
            var guidance = active[i].Task.Guidance;
            for (var k = 0; k < output.Length; k++)
                output[k] = negative[k] + guidance * (prompt[k] - negative[k]);
        }
    }

    private void Advance(Drawing drawing, int step, ref TimeSpan inside)
    {
        var task = drawing.Task;
        if (drawing.Scheduler.UsesStepNoise)
            drawing.Noise(1 + step, drawing.Fresh);
        drawing.Scheduler.Step(step, drawing.Output, drawing.Latents, drawing.Fresh, drawing.Estimate);
        if (task.Progress is null)
            return;
        var preview = task.PreviewAfter.Contains(step + 1)
            ? _vae.Decode(drawing.Estimate, task.Width, task.Height, ref inside)
            : null;
        task.Progress(step + 1, preview);
    }
}
