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
    public void More_slots_go_to_the_small_model()
    {
        var document = Demo();
        document.UseMixture(4);
        var saved = Saved(document).Replace("{", "").Replace(",", "");
        Assert.Contains("gpuBudget:4", saved);
        Assert.Contains("replicas:min:1max:1", saved);
        Assert.Contains("replicas:min:3max:3", saved);
    }

    [Fact]
    public void Another_document_is_refused_in_words() =>
        Assert.Throws<InvalidDataException>(() => MixtureDocument.Read(new StringReader("kind: Pod"), "/"));
}
