using System.Numerics.Tensors;
using MoDM.Fakes;

namespace MoDM.Onnx.Tests;

public sealed class ClipEmbedderTests : IDisposable
{
    private readonly ClipEmbedder _embedder = ClipEmbedder.Load(Repo.Model("postcards-clip"), threads: 1);

    public void Dispose() => _embedder.Dispose();

    [Fact]
    public void Preprocessing_equals_the_CLIPImageProcessor_bit_for_bit_up_to_float_rounding()
    {
        var preprocessing = ClipPreprocessing.Load(Repo.File("models", "postcards-clip", "preprocessor_config.json"));
        var golden = Golden.Npy("clip/pixel-values.npy").Values;
        var count = 3 * preprocessing.Width * preprocessing.Height;
        var values = new float[count];
        for (var i = 0; i < 5; i++)
        {
            preprocessing.Write(RgbImage.Decode(Golden.Bytes($"clip/image-{i}.png")), values);
            var worst = Enumerable.Range(0, count).Max(k => Math.Abs(values[k] - golden[i * count + k]));
            Assert.True(worst < 1e-5, $"image {i}: {worst}");
        }
    }

    [Fact]
    public void A_config_as_OpenAI_wrote_them_means_the_same()
    {
        var file = Path.Combine(TempFolder.New(), "preprocessor_config.json");
        File.WriteAllText(file, """
            {"crop_size": 64, "do_center_crop": true, "do_normalize": true, "do_resize": true, "resample": 3, "size": 64,
             "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
             "image_std": [0.26862954, 0.26130258, 0.27577711]}
            """);
        var (old, now) = (new float[3 * 64 * 64], new float[3 * 64 * 64]);
        var image = RgbImage.Decode(Golden.Bytes("clip/image-1.png"));
        ClipPreprocessing.Load(file).Write(image, old);
        ClipPreprocessing.Load(Repo.File("models", "postcards-clip", "preprocessor_config.json")).Write(image, now);
        Assert.Equal(now, old);
    }

    [Fact]
    public void Embeddings_of_prompts_and_pictures_point_where_the_reference_does()
    {
        var texts = Golden.Npy("clip/text-embeds.npy").Values;
        var images = Golden.Npy("clip/image-embeds.npy").Values;
        var prompts = Golden.Json("clip.json").GetProperty("prompts");
        for (var i = 0; i < 5; i++)
        {
            var row = (i * _embedder.Dimension)..((i + 1) * _embedder.Dimension);
            var text = _embedder.EmbedText(prompts[i].GetString()!);
            Assert.False(text.Truncated);
            Assert.Equal(1, TensorPrimitives.Norm<float>(text.Vector), 1e-5);
            Assert.True(TensorPrimitives.CosineSimilarity<float>(text.Vector, texts[row]) >= 0.9999f);
            var image = _embedder.EmbedImage(RgbImage.Decode(Golden.Bytes($"clip/image-{i}.png")));
            Assert.True(TensorPrimitives.CosineSimilarity<float>(image, images[row]) >= 0.9999f);
        }
    }

    [Fact]
    public async Task Many_threads_get_the_same_vectors_as_one()
    {
        var alone = _embedder.EmbedText("a red kite over hills").Vector;
        var together = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(
            () => _embedder.EmbedText("a red kite over hills").Vector, TestContext.Current.CancellationToken)));
        Assert.All(together, v => Assert.Equal(alone, v));
    }

    [Fact]
    public void Pictures_at_once_get_the_vectors_that_each_gets_alone()
    {
        var pictures = Enumerable.Range(0, 5).Select(i => RgbImage.Decode(Golden.Bytes($"clip/image-{i}.png"))).ToArray();
        var together = _embedder.EmbedImages([.. pictures.Select(_embedder.Preprocess)]);
        Assert.Equal(pictures.Length, together.Length);
        foreach (var (picture, vector) in pictures.Zip(together))
        {
            var alone = _embedder.EmbedImage(picture);
            for (var i = 0; i < alone.Length; i++)
                Assert.Equal(alone[i], vector[i], 1e-5);
        }
    }

    [Fact]
    public void A_text_that_needs_no_counting_is_never_cut()
    {
        var tokenizer = ClipTokenizer.Load(Path.Combine(Repo.Model("postcards-clip"), "tokenizer"));
        var random = new Random(1);
        for (var i = 0; i < 500; i++)
        {
            var text = string.Concat(Enumerable.Range(0, tokenizer.MaxLength - 2).Select(_ => (char)random.Next(' ', 127)));
            Assert.False(tokenizer.MayTruncate(text));
            Assert.False(tokenizer.Encode(text).Truncated, text);
        }
        Assert.True(tokenizer.MayTruncate("ö"));
    }

    // Complaint row 34.
    [Fact]
    public void A_prompt_that_was_cut_says_so() =>
        Assert.True(_embedder.EmbedText(string.Join(' ', Enumerable.Repeat("red", 100))).Truncated);

    [Fact]
    public void A_picture_one_pixel_wide_and_very_tall_costs_no_more_than_another() =>
        Assert.Equal(_embedder.Dimension, _embedder.EmbedImage(new RgbImage(1, 1_000_000, new byte[3_000_000])).Length);

    [Fact]
    public void A_missing_file_is_named()
    {
        var e = Assert.Throws<ModelException>(() => ClipEmbedder.Load(Repo.Model("postcards-large"), 1));
        Assert.Contains("preprocessor_config.json: is missing", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_revision_is_that_of_the_files()
    {
        using var again = ClipEmbedder.Load(Repo.Model("postcards-clip"), 1);
        Assert.Equal(16, again.Revision.Length);
        Assert.Equal(_embedder.Revision, again.Revision);
    }
}
