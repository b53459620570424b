using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using MoDM.Api;
using MoDM.Fakes;
using MoDM.Gateway.Stories;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests.Stories;

/// <summary>Rests and budget of the external model, on a clock of our own.</summary>
public sealed class ExternalGateTests
{
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());
    private readonly ExternalGate _gate;

    public ExternalGateTests() => _gate = new ExternalGate(new CurrentMixture(Mixture()), null, TempFolder.New(), _time, NullLogger<ExternalGate>.Instance);

    [Fact]
    public void What_began_before_a_rest_does_not_count_even_if_it_fails_after_it()
    {
        var (first, second, slow) = (Leave(), Leave(), Leave());
        _gate.Failed(first, "it failed", null);
        _gate.Failed(second, "it failed", null);
        Assert.Equal("it failed; it is asked again in 2 s", _gate.Look()!.Value.Rests);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Null(_gate.Look()!.Value.Rests);
        _gate.Failed(slow, "it was late", null);
        Assert.Null(_gate.Look()!.Value.Rests);

        _gate.Failed(Leave(), "it failed again", null);
        Assert.Equal("it failed again; it is asked again in 4 s", _gate.Look()!.Value.Rests);
    }

    [Fact]
    public void What_is_asked_by_name_during_a_rest_does_not_prolong_it()
    {
        _gate.Failed(Leave(), "it failed", null);
        _time.Advance(TimeSpan.FromSeconds(1));
        _gate.Failed(Leave(), "it failed again", TimeSpan.FromSeconds(30));
        Assert.Equal("it failed; it is asked again in 1 s", _gate.Look()!.Value.Rests);
    }

    [Fact]
    public void What_is_set_aside_for_a_text_comes_back_when_it_is_settled()
    {
        var leaves = Enumerable.Range(0, 3).Select(_ => _gate.Ask(StoryMember.Mixture, 60).Leave).ToList();
        Assert.Equal([true, true, false], leaves.Select(l => l is not null)); // 60, 120 of 100.
        _gate.Settle(leaves[0]!, new TokenUsage(10, 5));
        Assert.Equal((15, 60), (_gate.Look()!.Value.SpentToday, _gate.Look()!.Value.SetAside));
        _gate.Settle(leaves[1]!, null);
        Assert.Equal((15, 0), (_gate.Look()!.Value.SpentToday, _gate.Look()!.Value.SetAside));
    }

    private ExternalLeave Leave() => _gate.Ask(StoryMember.External, 1).Leave!;

    private static ModelMixture Mixture()
    {
        using var document = JsonDocument.Parse("""
            {"apiVersion": "modm.dev/v1alpha1", "kind": "ModelMixture", "metadata": {"name": "endings"}, "spec": {
              "modality": "Story", "large": {"openAI": {"model": "gpt", "tokensPerDay": 100}},
              "small": [{"name": "mamba", "model": {"path": "/models/mamba"}}], "gpuBudget": 1}}
            """);
        return MixtureReader.Read(document.RootElement.Clone()).Mixture!;
    }
}
