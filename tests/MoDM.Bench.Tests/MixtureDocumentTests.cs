using MoDM.Bench.Load;
using MoDM.Fakes;

namespace MoDM.Bench.Tests;

public class MixtureDocumentTests
{
    private static MixtureDocument Demo()
    {
        using var reader = File.OpenText(Repo.File("gateway", "postcards.yaml"));
        return MixtureDocument.Read(reader, Repo.File("gateway"));
    }

    /// <summary>The saved document without blanks and line breaks, which YAML's writers are free in.</summary>
    private static string Saved(MixtureDocument document)
    {
        var file = Path.Combine(TempFolder.New(), "file");
        try
        {
            document.Save(file);
            return string.Concat(File.ReadAllText(file).Where(c => !char.IsWhiteSpace(c)));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void The_document_is_read_and_its_folders_become_absolute()
    {
        var document = Demo();
        Assert.Equal(("postcards", 2), (document.Name, document.Slots));
        Assert.Equal(Repo.Model("postcards-clip"), document.EmbedderFolder);
    }

    [Fact]
    public void Large_only_gives_every_slot_to_the_large_model()
    {
        var document = Demo();
        document.UseLargeOnly(3);
        var saved = Saved(document);
        Assert.Contains("gpuBudget:3", saved);
        Assert.Contains("replicas:min:3max:3", saved.Replace("{", "").Replace(",", ""));
        Assert.Contains("small:[]", saved);
        Assert.Contains("similarity:0.741", saved);
    }

    [Fact]
    public void A_split_pins_both_models()
    {
        var document = Demo();
        document.UseSplit(2, 3);
        var saved = Saved(document).Replace("{", "").Replace(",", "");
        Assert.Contains("gpuBudget:5", saved);
        Assert.Contains("replicas:min:2max:2", saved);
        Assert.Contains("replicas:min:3max:3", saved);
    }

    [Fact]
    public void Small_only_puts_the_small_model_in_the_large_ones_place()
    {
        var document = Demo();
        document.UseSmallOnly(3);
        Assert.Equal([("postcards-small", Repo.Model("postcards-small"))], document.Models);
        Assert.Contains("replicas:min:3max:3", Saved(document).Replace("{", "").Replace(",", ""));
        Assert.Throws<InvalidDataException>(() => document.UseSmallOnly(3));
    }

    [Fact]
    public void The_caches_capacity_and_strictest_threshold_are_read() => Assert.Equal((10000, 0.741), (Demo().Capacity, Demo().TopThreshold));

    [Fact]
    public void Another_document_is_refused_in_words() =>
        Assert.Throws<InvalidDataException>(() => MixtureDocument.Read(new StringReader("kind: Pod"), "/"));
}
