using MoDM.Gateway.Tests.Importing;
using MoDM.Onnx;

namespace MoDM.Gateway.Tests.Shared;

/// <summary>Pictures that exist, imported into a store that gateways share.</summary>
public sealed class SharedImportTests
{
    [Fact]
    public async Task Imported_pictures_are_there_once_however_often_they_are_imported()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var (mixture, folder) = (await StoreMixture.WriteAsync(stores, "lookUpDeadline: 10s"), Paintings.Folder(40));

        foreach (var expected in new[] { "40 imported (16x12: 40), 0 were there already", "0 imported, 40 were there already" })
        {
            var (code, said, error) = await ImportProcessTests.RunAsync("import", folder, "--mixture", mixture);
            Assert.True(code == 0, error);
            Assert.Contains(expected, said, StringComparison.Ordinal);
        }

        using var embedder = ClipEmbedder.Load(Fakes.Repo.Model("postcards-clip"), 1);
        var cache = await stores.OpenAsync(dimension: embedder.Dimension);
        await cache.SweepAsync(TestContext.Current.CancellationToken);
        Assert.Equal((40, 40), ((int)cache.State.Entries, (await stores.ObjectsAsync()).Count));
    }
}
