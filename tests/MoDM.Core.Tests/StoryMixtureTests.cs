using System.Text.Json;
using MoDM.Mixture;

namespace MoDM.Core.Tests;

/// <summary>Documents of modality Story, who writes, and where an ending ends.</summary>
public class StoryMixtureTests
{
    private const string Whole = """
        {"apiVersion": "modm.dev/v1alpha1", "kind": "ModelMixture", "metadata": {"name": "endings"}, "spec": {
          "modality": "Story", "steps": 64,
          "large": {"openAI": {"model": "gpt-3.5-turbo", "apiKeySecret": {"name": "openai"}, "tokensPerDay": 1000}, "guidanceScale": 7.5, "gpusPerReplica": 1},
          "small": [{"name": "mamba", "model": {"path": "/models/mamba"}}],
          "gpuBudget": 2, "illustrator": {"url": "http://postcards"}}}
        """;

    [Fact]
    public void A_story_mixture_has_an_external_large_model_and_a_small_one_of_its_own()
    {
        var (mixture, problems) = Read(Whole);
        Assert.Empty(problems);
        var spec = mixture!.Spec;
        Assert.Equal(
            ("gpt-3.5-turbo", "https://api.openai.com/v1", ExternalApi.Chat, ("openai", "api-key"), 1000),
            (spec.External!.Name, spec.External.BaseUrl, spec.External.Api, spec.External.KeySecret, spec.External.TokensPerDay));
        Assert.Equal([("mamba", "spec.small[0]")], spec.PlacedPools.Select(p => (p.Pool.Name, p.Path)));
        Assert.Equal((1, "http://postcards"), (spec.Large.MinReplicas, spec.Illustrator));
    }

    [Fact]
    public void Without_a_large_model_its_own_writes_everything()
    {
        var (mixture, problems) = Read(Whole.Replace("\"large\"", "\"metrics\": {}, \"ignored\"", StringComparison.Ordinal)
            .Replace("\"ignored\": {\"openAI\": {\"model\": \"gpt-3.5-turbo\", \"apiKeySecret\": {\"name\": \"openai\"}, \"tokensPerDay\": 1000}, \"guidanceScale\": 7.5, \"gpusPerReplica\": 1},", "", StringComparison.Ordinal));
        Assert.Empty(problems);
        Assert.Null(mixture!.Spec.External);
    }

    [Theory]
    [InlineData("\"gpuBudget\": 2", "\"gpuBudget\": 2, \"cache\": {\"embedder\": {\"path\": \"x\"}}", "spec.cache: is for images; a Story mixture has none.")]
    [InlineData("\"name\": \"mamba\"", "\"name\": \"gpt\"", "")]
    [InlineData("\"guidanceScale\"", "\"model\": {\"path\": \"x\"}, \"guidanceScale\"", "spec.large.model: is for an Image mixture; of a Story the model with workers is in small.")]
    [InlineData("\"model\": \"gpt-3.5-turbo\"", "\"model\": \"gpt\", \"baseUrl\": \"api.openai.com\"", "spec.large.openAI.baseUrl: is \"api.openai.com\"; an http or https URL belongs here.")]
    [InlineData("\"tokensPerDay\": 1000", "\"tokensPerMonth\": 1", "spec.large.openAI.tokensPerMonth: is not a field here; there are model, apiKeySecret, apiKeyFile, baseUrl, api, tokensPerDay.")]
    [InlineData("\"name\": \"mamba\"", "\"name\": \"gpt-3.5-turbo\"", "spec.small[0].name: is \"gpt-3.5-turbo\"; lower-case letters, digits and inner dashes, at most 63, belong here.")]
    [InlineData("\"Story\"", "\"Image\"", "spec.large.openAI: is for a Story mixture; an Image mixture's large model has workers.")]
    public void Mistakes_are_named(string what, string instead, string problem)
    {
        var problems = Read(Whole.Replace(what, instead, StringComparison.Ordinal)).Problems.Select(p => p.ToString());
        if (problem.Length == 0) Assert.Empty(problems);
        else Assert.Contains(problem, problems);
    }

    [Fact]
    public void A_story_mixture_needs_a_model_of_its_own()
    {
        var start = Whole.IndexOf("[{", StringComparison.Ordinal);
        var text = Whole[..start] + "[]" + Whole[(Whole.IndexOf("}],", StringComparison.Ordinal) + 2)..];
        Assert.Equal(["spec.small: is empty; a Story mixture needs a model of its own to fall back to."], Read(text).Problems.Select(p => p.ToString()));
    }

    [Fact]
    public void A_second_model_of_its_own_is_refused_since_nobody_could_choose_it_by_name()
    {
        var text = Whole.Replace("}],", "}, {\"name\": \"tiny\", \"model\": {\"path\": \"/models/tiny\"}}],", StringComparison.Ordinal);
        Assert.Equal(
            ["spec.small: has 2 models; a Story mixture has exactly one, so give each model a mixture of its own."],
            Read(text).Problems.Select(p => p.ToString()));
    }

    [Fact]
    public void The_external_model_is_preferred_unless_there_is_a_reason_not_to_ask_it()
    {
        var fit = new ExternalState("gpt", null, 5, 10, null);
        (StoryMember Asked, ExternalState? State, StoryRoute Route, string Reason, bool Refused)[] table =
        [
            (StoryMember.Mixture, fit, StoryRoute.Large, "the external model is preferred", false),
            (StoryMember.Mixture, null, StoryRoute.Small, "the mixture has no external model", false),
            (StoryMember.Own, fit, StoryRoute.Small, "the request named it", false),
            (StoryMember.External, fit, StoryRoute.Large, "the request named it", false),
            (StoryMember.Mixture, fit with { MissingKey = "it is empty" }, StoryRoute.Fallback, "there is no API key for gpt: it is empty", false),
            (StoryMember.External, fit with { MissingKey = "it is empty" }, StoryRoute.Large, "there is no API key for gpt: it is empty", true),
            (StoryMember.Mixture, fit with { SpentToday = 10 }, StoryRoute.Fallback, "gpt has used 10 tokens today, and 10 are its budget", false),
            (StoryMember.Mixture, fit with { SetAside = 4 }, StoryRoute.Large, "the external model is preferred", false),
            (StoryMember.Mixture, fit with { SetAside = 5 }, StoryRoute.Fallback, "gpt has used 5 tokens today, 5 more are set aside for what it writes, and 10 are its budget", false),
            (StoryMember.Mixture, fit with { SpentToday = 10, TokensPerDay = 0 }, StoryRoute.Large, "the external model is preferred", false),
            (StoryMember.Mixture, fit with { Rests = "it failed" }, StoryRoute.Fallback, "it failed", false),
            (StoryMember.External, fit with { Rests = "it failed" }, StoryRoute.Large, "the request named it", false),
        ];
        foreach (var (asked, state, route, reason, refused) in table)
            Assert.Equal(new StoryDecision(route, reason, refused), StoryPolicy.Decide(asked, state));
    }

    [Theory]
    [InlineData(1, "He ran. She hid.", "He ran.", 1)]
    [InlineData(2, "He ran. She hid. They met.", "He ran. She hid.", 2)]
    [InlineData(1, "\"Stop!\" he said. Then", "\"Stop!\" he said.", 1)]
    [InlineData(1, "\"Where is it?\" asked Mia. Then", "\"Where is it?\" asked Mia.", 1)]
    [InlineData(1, "\"Where is it?\"\n\n Mia asked.", "\"Where is it?\"", 1)]
    [InlineData(2, "He came (at last!) and sat. \"Go.\"", "He came (at last!) and sat. \"Go.\"", 2)]
    [InlineData(3, "They ran. She said no.", "They ran. She said no.", 2)]
    [InlineData(2, "\"No.\" Then Mia left the house.", "\"No.\" Then Mia left the house.", 2)]
    [InlineData(1, "\"No.\" Then Mia left the house.", "\"No.\"", 1)]
    [InlineData(2, "She ate cakes, pies, etc.", "She ate cakes, pies, etc.", 1)]
    [InlineData(1, "She ate cakes, pies, etc. ", "She ate cakes, pies, etc.", 1)]
    [InlineData(1, "It was Tom Jr. who came. Yes.", "It was Tom Jr. who came.", 1)]
    [InlineData(2, "兔子走了。「哪里？」她哭了！", "兔子走了。「哪里？」她哭了！", 2)]
    [InlineData(1, "兔子走了。她哭了。", "兔子走了。", 1)]
    [InlineData(2, "「走れ！」「はい。」彼は", "「走れ！」", 1)]
    [InlineData(1, "أين هي؟ لا أعرف.", "أين هي؟", 1)]
    [InlineData(1, "वह चला गया। वह रोई।", "वह चला गया।", 1)]
    [InlineData(2, "\"Run!\" She ran home.", "\"Run!\" She ran home.", 2)]
    [InlineData(1, "Mr. Fox met Dr. Owl. End.", "Mr. Fox met Dr. Owl.", 1)]
    [InlineData(1, "It cost 3.50 euros... And more.", "It cost 3.50 euros...", 1)]
    [InlineData(1, "What?! No.", "What?!", 1)]
    [InlineData(3, "Only one. And a half", "Only one.", 1)]
    [InlineData(1, "no end at al", "no end at", 0)]
    [InlineData(1, "J. Tolkien wrote. Yes.", "J. Tolkien wrote.", 1)]
    [InlineData(2, "It was I. He left.", "It was I. He left.", 2)]
    [InlineData(1, "“Wait…” Hm.", "“Wait…”", 1)]
    [InlineData(1, "", "", 0)]
    public void An_ending_has_whole_sentences_however_it_comes(int sentences, string text, string ending, int found)
    {
        for (var size = 1; size <= Math.Max(1, text.Length); size++)
        {
            var cutter = new SentenceCutter(sentences);
            var shown = string.Concat(text.Chunk(size).Select(c => cutter.Add(new string(c)))) + cutter.End();
            Assert.Equal(ending, cutter.Whole(wordsEnd: false));
            Assert.Equal(found, cutter.Sentences);
            // What was shown begins with the ending, and has nothing after the last sentence that was asked for.
            Assert.StartsWith(ending, shown, StringComparison.Ordinal);
            if (cutter.Done) Assert.Equal(ending, shown);
        }
    }

    [Theory]
    [InlineData("no end\nat\tal", "no end\nat")]
    [InlineData("no\u3000end", "no")]
    [InlineData("月が\U00020BB7", "月が")]
    [InlineData("月がか\u3099", "月が")]
    [InlineData("月がTok", "月が")]
    [InlineData("昔 月が出", "昔 月が")]
    [InlineData("กาที่", "กา")]
    [InlineData("月", "月")]
    [InlineData("Onc", "Onc")]
    public void An_ending_without_a_whole_sentence_keeps_its_whole_words_or_characters(string text, string kept)
    {
        var cutter = new SentenceCutter(1);
        var shown = cutter.Add(text) + cutter.End();
        Assert.Equal((text, kept, text, 0), (shown, cutter.Whole(wordsEnd: false), cutter.Whole(wordsEnd: true), cutter.Sentences));
    }

    private static (ModelMixture? Mixture, IReadOnlyList<MixtureProblem> Problems) Read(string json)
    {
        using var document = JsonDocument.Parse(json);
        return MixtureReader.Read(document.RootElement.Clone());
    }
}
