namespace MoDM.Bench.Indexing;

/// <summary>The best cosine match among unit vectors, one vector a key.</summary>
internal interface IVectorIndex : IDisposable
{
    void Add(int key, float[] vector);
    void Remove(int key);

    /// <summary>The key of the best match, or -1 when the index is empty; its similarity is exact.</summary>
    (int Key, float Similarity) Best(float[] query);
}
