using MoDM.Fakes;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests;

/// <summary>What a running gateway takes over, and what needs another one.</summary>
public sealed class CurrentMixtureTests
{
    private static readonly SharedStore Store = new()
    {
        QdrantUrl = "http://qdrant:6334",
        Collection = "",
        S3Endpoint = "",
        Region = "us-east-1",
        Bucket = "postcards",
        Prefix = "",
        CredentialsSecret = "",
        Urls = ImageUrls.Proxied,
    };

    [Fact]
    public void Another_store_needs_another_gateway_and_the_reason_says_what_is_another()
    {
        Assert.Null(WhyNot(null, null));
        Assert.Null(WhyNot(Store, Store with { }));
        Assert.Equal("its cache is shared rather than embedded", WhyNot(null, Store));
        Assert.Equal("its cache is embedded rather than shared", WhyNot(Store, null));
        Assert.Equal("its shared cache's s3.bucket is \"other\" rather than \"postcards\"", WhyNot(Store, Store with { Bucket = "other" }));
        Assert.Equal("its shared cache's qdrant.collection is \"other\" rather than not given", WhyNot(Store, Store with { Collection = "other" }));
        Assert.Equal("its shared cache's qdrant.apiKeySecret is \"a/b\" rather than not given", WhyNot(Store, Store with { QdrantKeySecret = ("a", "b") }));
    }

    [Fact]
    public void The_number_of_gateways_and_what_is_asked_of_the_cache_are_taken_over()
    {
        var now = With(Store);
        var next = now with { Spec = now.Spec with { GatewayReplicas = 5, Cache = now.Spec.Cache with { LookUpDeadline = TimeSpan.FromSeconds(1), Capacity = 3 } } };

        Assert.Null(CurrentMixture.WhyNot(now, next));
    }

    [Fact]
    public async Task A_key_file_is_beside_the_document_that_names_it()
    {
        var file = Path.Combine(TempFolder.New(), "mixture.yaml");
        var text = await File.ReadAllTextAsync(Repo.File("examples", "shared-cache.yaml"), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(file, text.Replace("apiKeySecret: {name: qdrant}", "apiKeyFile: keys/qdrant.key", StringComparison.Ordinal), TestContext.Current.CancellationToken);

        var (mixture, problems) = MixtureFile.Read(file, modelsAreHere: false);

        Assert.Empty(problems);
        Assert.Equal(Path.Combine(Path.GetDirectoryName(file)!, "keys", "qdrant.key"), mixture!.Spec.Cache.Shared!.QdrantKeyFile);
    }

    [Theory]
    [InlineData("postcards.yaml", "--qdrant-key-file is for a mixture with cache.store.shared; leave it out.")]
    [InlineData("stories.yaml", "--qdrant-key-file is for an Image mixture; leave it out.")]
    public async Task A_key_of_a_shared_cache_that_there_is_not_is_refused(string document, string problem)
    {
        var (options, problems, code) = await GatewayOptions.ReadAsync(
            ["--mixture", Repo.File("gateway", document), "--qdrant-key-file", "key"], Repo.File("gateway", "postcards.yaml"), cores: 2);

        Assert.Null(options);
        Assert.Equal(2, code);
        Assert.Equal([problem], problems);
    }

    private static string? WhyNot(SharedStore? now, SharedStore? next) => CurrentMixture.WhyNot(With(now), With(next));

    private static ModelMixture With(SharedStore? store)
    {
        var spec = TestMixture.Spec();
        return new ModelMixture("postcards", spec with { Cache = spec.Cache with { Shared = store } });
    }
}
