using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using MoDM.Bench.Scoring;
using MoDM.Bench.Stories;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.Bench.Tests.Stories;

public class BertEncoderTests
{
    private static readonly string[] Vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "mia", "had", "a", "red", "kite", "##s", ".", "cafe"];

    [Fact]
    public void Tokens_have_the_networks_vectors_between_CLS_and_SEP()
    {
        using var encoder = new BertEncoder(NewFolder());

        var ids = encoder.Bordered("Mia had kites.");
        var text = encoder.Embed(ids, BertScore.EvenWeights(ids.Length));

        Assert.Equal([2, 5, 6, 9, 10, 11, 3], ids);
        Assert.Equal(ids.Select(i => new[] { i, i * i, 1f }), text.Embeddings);
        Assert.Equal(1, BertScore.Of(text, text).F1, 1e-6);
    }

    [Fact]
    public void Accents_go_as_BERT_takes_them_off()
    {
        using var encoder = new BertEncoder(NewFolder());

        Assert.Equal([2, 12, 12, 3], encoder.Bordered("Caf\u00e9 cafe\u0301"));
    }

    [Fact]
    public void Case_and_length_are_as_the_folder_says()
    {
        var folder = NewFolder();
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"do_lower_case": false}""");
        File.WriteAllText(Path.Combine(folder, "config.json"), """{"max_position_embeddings": 4}""");
        using var encoder = new BertEncoder(folder);

        Assert.Equal([2, 1, 6, 3], encoder.Bordered("Mia had a red kite."));
    }

    [Fact]
    public void A_network_without_last_hidden_state_is_refused_by_name() => Assert.Contains(
        "\"last_hidden_state\"", Assert.Throws<ModelException>(() => new BertEncoder(NewFolder(output: "hidden"))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_vocabulary_without_the_tokens_that_BERT_needs_is_refused_by_name()
    {
        var folder = NewFolder();
        File.WriteAllLines(Path.Combine(folder, "vocab.txt"), ["a", "b"]);
        Assert.Contains("vocab.txt: is no WordPiece vocabulary", Assert.Throws<ModelException>(() => new BertEncoder(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stories_are_scored_over_it_and_keep_the_writing_models_perplexity()
    {
        var (encoder, file) = (NewFolder(), Path.Combine(TempFolder.New(), "report.json"));
        var options = new[] { "--limit", "2", "--model", Repo.Model("postcards-mamba"), "--encoder", encoder, "--json", file };

        Assert.Equal(0, await ScoreStoriesCommand.RunAsync(options, Repo.Root, TestContext.Current.CancellationToken));

        var report = JsonNode.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken))!;
        Assert.Equal((Path.GetFileName(encoder), "of postcards-mamba"), ((string)report["encoder"]!, (string)report["perplexity"]!));
    }

    /// <summary>A network that looks each id up: (id, id squared, 1).</summary>
    private static string NewFolder(string output = "last_hidden_state")
    {
        var folder = TempFolder.New();
        File.WriteAllLines(Path.Combine(folder, "vocab.txt"), Vocabulary);
        float[] table = [.. Enumerable.Range(0, Vocabulary.Length).SelectMany(i => new[] { i, i * i, 1f })];
        byte[] graph =
        [
            .. Field(1, [.. Field(1, "table"), .. Field(1, "input_ids"), .. Field(2, output), .. Field(4, "Gather")]),
            .. Field(2, "lookup"),
            .. Field(5, [.. Field(1, Vocabulary.Length), .. Field(1, 3), .. Field(2, 1), .. Field(8, "table"), .. Field(9, MemoryMarshal.AsBytes<float>(table).ToArray())]),
            .. Field(11, Value("input_ids", 7, Field(2, "n"))),
            .. Field(11, Value("attention_mask", 7, Field(2, "n"))),
            .. Field(12, Value(output, 1, Field(2, "n"), Field(1, 3))),
        ];
        File.WriteAllBytes(Path.Combine(folder, "model.onnx"), [.. Field(1, 8), .. Field(7, graph), .. Field(8, [.. Field(1, ""), .. Field(2, 13)])]);
        return folder;
    }

    // onnx.proto: ValueInfoProto { name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 { dim_value = 1, dim_param = 2 } } } } }, (1, ...).
    private static byte[] Value(string name, int type, params byte[][] axes) =>
    [
        .. Field(1, name),
        .. Field(2, Field(1, [.. Field(1, type), .. Field(2, [.. Field(1, Field(1, 1)), .. axes.SelectMany(a => Field(1, a))])])),
    ];

    private static byte[] Field(int number, string text) => Field(number, Encoding.UTF8.GetBytes(text));

    private static byte[] Field(int number, byte[] bytes) => [(byte)(number << 3 | 2), .. Number(bytes.Length), .. bytes];

    private static byte[] Field(int number, int value) => [(byte)(number << 3), .. Number(value)];

    private static byte[] Number(int value) => value < 128 ? [(byte)value] : [(byte)(value & 127 | 128), .. Number(value >> 7)];
}
