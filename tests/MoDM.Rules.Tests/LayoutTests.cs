using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using MoDM.Fakes;
using MoDM.Mixture;

namespace MoDM.Rules.Tests;

/// <summary>The architecture's rules, read off the source.</summary>
public partial class LayoutTests
{
    private static readonly string[] Production = ["core", "gateway", "operator", "worker"];

    [Fact]
    public void Core_has_no_packages_and_no_IO()
    {
        Assert.Empty(References("core/MoDM.Core/MoDM.Core.csproj"));
        foreach (var file in Sources("core/MoDM.Core"))
            Assert.DoesNotMatch(@"\b(File|Directory|HttpClient|Console|Environment|Stopwatch|TimeProvider)\.", Code(file));
    }

    [Fact]
    public void No_program_is_referenced_by_another()
    {
        Assert.Equal(["MoDM.Http"], References("worker/MoDM.Worker.csproj"));
        // The gateway starts the worker; it is built with it, not linked to it.
        Assert.Equal(["MoDM.Cluster", "MoDM.Http"], References("gateway/MoDM.Gateway.csproj"));
        Assert.Equal(["MoDM.Cluster"], References("operator/MoDM.Operator.csproj"));
        Assert.Equal(["MoDM.Core"], References("core/MoDM.Cluster/MoDM.Cluster.csproj"));
        Assert.Equal(["MoDM.Onnx"], References("core/MoDM.Http/MoDM.Http.csproj"));
        Assert.Equal(["MoDM.Core"], References("core/MoDM.Onnx/MoDM.Onnx.csproj"));
    }

    [Fact]
    public void Names_say_what_a_thing_is()
    {
        foreach (var file in Production.SelectMany(Sources))
            Assert.DoesNotMatch(@"\b(class|record|struct|interface)\s+\w*(Helper|Helpers|Utils?|Manager|Service|Processor|Factory|Common|Impl)\b", Code(file));
    }

    [Fact]
    public void Files_stay_small()
    {
        var large = Production.SelectMany(Sources).Select(f => (File: f, Lines: File.ReadAllLines(f).Length)).Where(f => f.Lines > 450);

        Assert.Empty(large);
    }

    [Fact]
    public void Every_metric_of_the_contract_is_emitted()
    {
        var names = ConstantName().Matches(File.ReadAllText(Repo.File("core", "MoDM.Core", "MetricNames.cs"))).Select(m => m.Groups[1].Value).ToList();
        var code = string.Concat(new[] { "gateway", "worker", "operator" }.SelectMany(Sources).Select(File.ReadAllText));

        Assert.NotEmpty(names);
        Assert.All(names, n => Assert.Contains($"MetricNames.{n}", code, StringComparison.Ordinal));
    }

    [Fact]
    public void No_test_is_switched_off()
    {
        foreach (var file in Sources("tests").Where(f => !f.EndsWith("LayoutTests.cs", StringComparison.Ordinal)))
            Assert.DoesNotMatch("""Skip\s*=\s*"|#if false""", File.ReadAllText(file));
    }

    [Fact]
    public void The_README_tells_every_field_and_option()
    {
        var readme = File.ReadAllText(Repo.File("README.md"));
        var fields = Quoted().Matches(Between(Repo.File("core", "MoDM.Core", "Api", "ImageRequestReader.cs"), "Fields =", "];")).Select(m => m.Groups[1].Value)
            .Where(f => f != "skip_steps");
        var options = new[] { Repo.File("gateway", "GatewayOptions.cs"), Repo.File("operator", "OperatorOptions.cs") }
            .SelectMany(f => Quoted().Matches(Between(f, "Names =", "];"))).Select(m => m.Groups[1].Value);
        var document = readme[readme.IndexOf("## The document", StringComparison.Ordinal)..];

        Assert.All(fields.Concat(options), name => Assert.Contains(name, readme, StringComparison.Ordinal));
        Assert.All(Properties(MixtureReader.Schema()).Distinct(), name => Assert.Matches($@"\b{name}\b", document));
    }

    private static IEnumerable<string> Properties(JsonNode schema) =>
        (schema["properties"]?.AsObject() ?? []).SelectMany(p => Properties(p.Value!).Prepend(p.Key))
            .Concat(schema["items"] is { } items ? Properties(items) : []);

    private static List<string> References(string project) =>
    [
        .. XDocument.Load(Repo.File(project)).Descendants()
            .Where(e => e.Name == "ProjectReference" && (string?)e.Attribute("ReferenceOutputAssembly") != "false"
                || e.Name == "PackageReference" && project.Contains("MoDM.Core", StringComparison.Ordinal))
            .Select(e => Path.GetFileNameWithoutExtension((string)e.Attribute("Include")!)),
    ];

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Repo.File(folder), "*.cs", SearchOption.AllDirectories);

    /// <summary>Without comments.</summary>
    private static string Code(string file) => Comment().Replace(File.ReadAllText(file), "");

    private static string Between(string file, string from, string to)
    {
        var text = File.ReadAllText(file);
        var start = text.IndexOf(from, StringComparison.Ordinal);
        return text[start..text.IndexOf(to, start, StringComparison.Ordinal)];
    }

    [GeneratedRegex(@"const string (\w+)")]
    private static partial Regex ConstantName();

    [GeneratedRegex("\"([a-z_0-9-]+)\"")]
    private static partial Regex Quoted();

    [GeneratedRegex("//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();
}
