using MoDM.Fakes;

namespace MoDM.Onnx.Tests;

public class OnnxModelTests
{
    [Fact]
    public void Inputs_are_described_with_free_axes_as_minus_one()
    {
        using var model = OnnxModel.Load(Repo.File("models", "postcards-small", "unet", "model.onnx"), new OnnxOptions());
        Assert.Equal([-1, 4, 16, 16], model.Input("sample")!.Dimensions);
        Assert.Empty(model.Input("timestep")!.Dimensions);
        Assert.Null(model.Input("nothing"));
    }

    [Fact]
    public void A_missing_file_and_a_broken_one_are_told_apart()
    {
        var missing = Assert.Throws<ModelException>(() => OnnxModel.Load("/nowhere/model.onnx", new OnnxOptions()));
        Assert.Contains("/nowhere/model.onnx: is missing", missing.Message, StringComparison.Ordinal);
        var broken = Assert.Throws<ModelException>(() => OnnxModel.Load(Repo.File("LICENSE"), new OnnxOptions()));
        Assert.Contains("LICENSE: cannot be loaded", broken.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cuda_that_is_not_there_is_refused_with_what_to_do()
    {
        Assert.SkipWhen(OnnxModel.HasCuda, "this build has the CUDA provider");
        var e = Assert.Throws<ModelException>(() => OnnxModel.Load(
            Repo.File("models", "judge", "model.onnx"), new OnnxOptions { Device = OnnxDevice.Cuda }));
        Assert.Contains("--device cpu", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_is_disposed_of_finishes_its_runs_first_and_takes_no_more()
    {
        var model = MambaModel.Load(Path.Combine(Repo.Model("postcards-mamba"), "model.onnx"), new OnnxOptions());
        var first = new CountdownEvent(4);
        var readers = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var reads = 0; ; reads++)
            {
                model.Read(new int[500], new MambaState(model.Shape), new float[model.Shape.Vocabulary]);
                if (reads == 0) first.Signal();
            }
        })).ToArray();
        await Task.Run(first.Wait, TestContext.Current.CancellationToken);

        model.Dispose();

        foreach (var reader in readers)
            await Assert.ThrowsAsync<ObjectDisposedException>(() => reader);
        model.Dispose();
    }
}
