using System.Numerics.Tensors;
using System.Text.Json;
using MoDM.Fakes;

namespace MoDM.Onnx.Tests;

/// <summary>Against transformers' MambaForCausalLM in float32.</summary>
public sealed class MambaModelTests : IDisposable
{
    private const int Limit = 96;

    private readonly MambaModel _model = MambaModel.Load(Path.Combine(Repo.Model("postcards-mamba"), "model.onnx"), new OnnxOptions());

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, Stories().Length)];

    public void Dispose() => _model.Dispose();

    [Fact]
    public void Sizes_come_from_the_file() =>
        Assert.Equal(new MambaShape(Layers: 4, Model: 160, Inner: 320, State: 16, Kernel: 4, Vocabulary: 1536, EndToken: 0), _model.Shape);

    [Theory, MemberData(nameof(Cases))]
    public void Logits_after_the_prompt_and_at_each_token_equal_the_references(int index)
    {
        var golden = Stories()[index];
        var ids = Ints(golden.GetProperty("ids"));
        var vocabulary = _model.Shape.Vocabulary;
        var all = new float[ids.Length * vocabulary];
        _model.Read(ids, new MambaState(_model.Shape), all);

        var wanted = Golden.Floats(golden.GetProperty("last_logits"));
        Assert.True(Distance(wanted, all.AsSpan(all.Length - vocabulary)) < 1e-3);
        var sums = Golden.Floats(golden.GetProperty("logit_sums"));
        for (var i = 0; i < ids.Length; i++)
            Assert.Equal(sums[i], TensorPrimitives.Sum<float>(all.AsSpan(i * vocabulary, vocabulary)), 0.05);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Greedy_continuations_equal_the_references_token_by_token(int index)
    {
        var golden = Stories()[index];
        Assert.Equal(Ints(golden.GetProperty("greedy_ids")), Continue(Ints(golden.GetProperty("ids"))));
    }

    [Fact]
    public void A_text_read_in_pieces_is_the_text_read_at_once()
    {
        var ids = Ints(Stories()[2].GetProperty("ids"));
        float[] once = new float[_model.Shape.Vocabulary], pieces = new float[_model.Shape.Vocabulary];
        _model.Read(ids, new MambaState(_model.Shape), once);
        var state = new MambaState(_model.Shape);
        foreach (var (from, to) in new[] { (0, 1), (1, 2), (2, 40), (40, ids.Length) })
            _model.Read(ids.AsSpan(from..to), state, pieces);
        Assert.True(Distance(once, pieces) < 1e-4);

        state.Clear();
        _model.Read(ids, state, pieces);
        Assert.Equal(once, pieces);
    }

    [Fact]
    public void Perplexities_equal_the_references()
    {
        var root = Golden.Json("stories/perplexity.json");
        var tokenizer = NeoxTokenizer.Load(Repo.Model("postcards-mamba"));
        var all = new List<double>();
        foreach (var golden in root.GetProperty("cases").EnumerateArray())
        {
            var ids = tokenizer.Encode($"{golden.GetProperty("prompt").GetString()} {golden.GetProperty("ending").GetString()}");
            Assert.Equal(golden.GetProperty("tokens").GetInt32(), ids.Length);
            var losses = _model.Losses(ids);
            all.AddRange(losses);
            var wanted = Golden.Floats(golden.GetProperty("token_nll"));
            Assert.True(wanted.Zip(losses, (a, b) => Math.Abs(a - b)).Max() < 1e-3);
            Near(golden.GetProperty("perplexity").GetDouble(), Math.Exp(losses.Average()));
            var ending = losses.Skip(golden.GetProperty("prompt_tokens").GetInt32() - 1);
            Near(golden.GetProperty("ending_perplexity").GetDouble(), Math.Exp(ending.Average()));
        }
        Near(root.GetProperty("corpus_perplexity").GetDouble(), Math.Exp(all.Average()));
        Assert.Empty(_model.Losses([5]));

        static void Near(double wanted, double got) => Assert.InRange(got / wanted, 0.999, 1.001);
    }

    [Fact]
    public void A_text_among_eight_others_that_come_and_go_is_what_it_is_alone()
    {
        var prompts = Stories().Select(s => Ints(s.GetProperty("ids"))).ToArray();
        var alone = prompts.Select(Continue).ToArray();
        using var batch = _model.NewBatch(9);
        var (rows, done) = (new List<(int Prompt, List<int> Tokens)>(), new List<(int Prompt, List<int> Tokens)>());
        var state = new MambaState(_model.Shape);
        for (var step = 0; step == 0 || rows.Count > 0; step++)
        {
            // One joins every third step, and rows are given free in any order.
            if (step % 3 == 0 && step / 3 < 20 && batch.Count < batch.Capacity)
            {
                var logits = new float[_model.Shape.Vocabulary];
                state.Clear();
                _model.Read(prompts[step / 3 % prompts.Length], state, logits);
                batch.Join(state);
                rows.Add((step / 3 % prompts.Length, [TensorPrimitives.IndexOfMax<float>(logits)]));
            }
            batch.Step([.. rows.Select(r => r.Tokens[^1])]);
            for (var row = rows.Count - 1; row >= 0; row--)
            {
                var next = TensorPrimitives.IndexOfMax<float>(batch.Logits(row));
                rows[row].Tokens.Add(next);
                if (next != _model.Shape.EndToken)
                    continue;
                done.Add(rows[row]);
                batch.Leave(row);
                rows[row] = rows[^1];
                rows.RemoveAt(rows.Count - 1);
            }
        }
        Assert.True(done.Count >= 15);
        Assert.All(done, text => Assert.Equal(alone[text.Prompt], text.Tokens));
    }

    [Fact]
    public void Hidden_states_are_given_when_asked_for()
    {
        var ids = Ints(Stories()[0].GetProperty("ids"));
        float[] logits = new float[_model.Shape.Vocabulary], hidden = new float[ids.Length * _model.Shape.Model];
        _model.Read(ids, new MambaState(_model.Shape), logits, hidden);
        Assert.True(TensorPrimitives.Norm<float>(hidden.AsSpan(hidden.Length - _model.Shape.Model)) > 1);
    }

    [Fact]
    public void Steps_allocate_next_to_nothing()
    {
        using var batch = _model.NewBatch(4);
        var state = new MambaState(_model.Shape);
        _model.Read([260], state, new float[_model.Shape.Vocabulary]);
        for (var i = 0; i < 4; i++)
            batch.Join(state);
        int[] tokens = [260, 261, 262, 263];
        for (var i = 0; i < 10; i++)
            batch.Step(tokens);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
            batch.Step(tokens);
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 100, 0, 1500);
    }

    [Fact]
    public void Wrong_sizes_are_refused_before_they_reach_the_network()
    {
        Assert.Throws<ArgumentException>(() => _model.Read([1, 2], new MambaState(_model.Shape), new float[7]));
        using var batch = _model.NewBatch(1);
        Assert.Throws<ArgumentException>(() => batch.Step([1]));
        batch.Join(new MambaState(_model.Shape));
        Assert.Throws<InvalidOperationException>(() => batch.Join(new MambaState(_model.Shape)));
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Leave(1));
    }

    [Fact]
    public void Another_kind_of_network_is_refused()
    {
        var e = Assert.Throws<ModelException>(() => MambaModel.Load(Repo.File("models", "judge", "model.onnx"), new OnnxOptions()));
        Assert.Contains("its metadata names no layers", e.Message, StringComparison.Ordinal);
    }

    private List<int> Continue(int[] prompt)
    {
        var state = new MambaState(_model.Shape);
        var logits = new float[_model.Shape.Vocabulary];
        _model.Read(prompt, state, logits);
        using var batch = _model.NewBatch(1);
        batch.Join(state);
        var tokens = new List<int> { TensorPrimitives.IndexOfMax<float>(logits) };
        while (tokens[^1] != _model.Shape.EndToken && tokens.Count < Limit)
        {
            batch.Step([tokens[^1]]);
            tokens.Add(TensorPrimitives.IndexOfMax<float>(batch.Logits(0)));
        }
        return tokens;
    }

    private static float Distance(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var difference = new float[a.Length];
        TensorPrimitives.Subtract(a, b, difference);
        return TensorPrimitives.MaxMagnitude<float>(difference) is var max ? Math.Abs(max) : 0;
    }

    private static JsonElement[] Stories() => [.. Golden.Json("stories/generation.json").GetProperty("cases").EnumerateArray()];

    private static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(v => v.GetInt32())];
}
