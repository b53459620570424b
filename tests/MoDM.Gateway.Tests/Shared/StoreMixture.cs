using MoDM.Fakes;

namespace MoDM.Gateway.Tests.Shared;

/// <summary>A mixture of the demo's models in which whatever is in the bucket is a hit.</summary>
internal static class StoreMixture
{
    /// <param name="stores">Null: the cache is the gateway's own.</param>
    /// <param name="cache">Further lines of <c>spec.cache</c>.</param>
    /// <returns>The document's file.</returns>
    public static async Task<string> WriteAsync(SharedStoresFixture? stores, params string[] cache)
    {
        var file = Path.Combine(TempFolder.New(), "postcards.yaml");
        string[] store = stores is null ? [] :
        [
            "store:", "  shared:", $"    qdrant: {{url: \"{stores.Store.QdrantUrl}\"}}",
            $"    s3: {{endpoint: \"{stores.Store.S3Endpoint}\", bucket: {stores.Bucket}}}",
        ];
        await File.WriteAllTextAsync(file, $$"""
            apiVersion: modm.dev/v1alpha1
            kind: ModelMixture
            metadata: {name: postcards}
            spec:
              steps: 4
              large: {model: {path: {{Repo.Model("postcards-large")}}}, guidanceScale: 3}
              small: [{name: postcards-small, model: {path: {{Repo.Model("postcards-small")}}}, guidanceScale: 3}]
              gpuBudget: 2
              cache:
                embedder: {path: {{Repo.Model("postcards-clip")}}}
                hits: [{similarity: -1, skip: 0.25}]
                quality: {sample: 0}
                {{string.Join("\n    ", [.. cache, .. store])}}
            """, TestContext.Current.CancellationToken);
        return file;
    }
}
