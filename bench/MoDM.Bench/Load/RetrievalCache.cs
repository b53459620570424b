using System.Numerics.Tensors;

namespace MoDM.Bench.Load;

/// <summary>
/// Pictures and their embeddings in memory; the oldest leaves first, as in the gateway's cache. Safe for concurrent use.
/// </summary>
/// <param name="threshold">Least cosine of prompt and picture at which the picture is an answer.</param>
internal sealed class RetrievalCache(int capacity, double threshold)
{
    private readonly Lock _lock = new();
    private readonly Queue<(float[] Vector, Answer Picture)> _oldestFirst = new();

    /// <param name="vector">Of length 1.</param>
    public void Add(float[] vector, Answer picture)
    {
        lock (_lock)
        {
            _oldestFirst.Enqueue((vector, picture));
            if (_oldestFirst.Count > capacity)
                _oldestFirst.Dequeue();
        }
    }

    /// <summary>The most similar picture, or null when even that one is not similar enough.</summary>
    /// <param name="prompt">Of length 1.</param>
    public (Answer Picture, double Similarity)? Find(float[] prompt)
    {
        (Answer? Picture, double Similarity) best = (null, threshold);
        lock (_lock)
        {
            foreach (var (vector, picture) in _oldestFirst)
            {
                var similarity = TensorPrimitives.Dot<float>(prompt, vector);
                if (similarity >= best.Similarity)
                    best = (picture, similarity);
            }
        }
        return best.Picture is { } found ? (found, best.Similarity) : null;
    }
}
