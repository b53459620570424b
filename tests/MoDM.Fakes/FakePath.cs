using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace MoDM.Fakes;

/// <summary>A refusal as the API server words it.</summary>
public sealed class FakeStatusException(int code, string reason, string message) : Exception(message)
{
    public int Code => code;
    public string Reason => reason;

    public static FakeStatusException NotFound(string what) => new(404, "NotFound", $"{what} not found");
    public static FakeStatusException Invalid(string why) => new(400, "BadRequest", why);
    public static FakeStatusException Expired() => new(410, "Expired", "too old resource version");
}

/// <summary>/apis/GROUP/VERSION/namespaces/NS/RESOURCE/NAME/SUB, of which everything from the namespace on may be missing.</summary>
public sealed record FakePath(string Group, string Resource, string? Namespace, string? Name, string? Sub)
{
    public string Collection => $"{Group}/{Resource}";

    public string Key(string? name = null) => $"{Namespace}/{name ?? Name}";

    public static FakePath? Parse(string path)
    {
        var parts = path.Trim('/').Split('/');
        var (group, rest) = parts switch
        {
            ["api", var version, .. var tail] => (version, tail),
            ["apis", var name, var version, .. var tail] => ($"{name}/{version}", tail),
            _ => ("", []),
        };
        return rest switch
        {
            ["namespaces", var ns, var resource] => new(group, resource, ns, null, null),
            ["namespaces", var ns, var resource, var name] => new(group, resource, ns, name, null),
            ["namespaces", var ns, var resource, var name, var sub] => new(group, resource, ns, name, sub),
            [var resource] => new(group, resource, null, null, null),
            [var resource, var name] => new(group, resource, null, name, null),
            [var resource, var name, var sub] => new(group, resource, null, name, sub),
            _ => null,
        };
    }
}

/// <summary>Who watches what, and the lines he has not been sent yet.</summary>
public sealed class FakeWatch(FakePath path, string url, FakeSelector selector, bool metadataOnly, bool bookmarks)
{
    public Channel<byte[]> Lines { get; } = Channel.CreateUnbounded<byte[]>();
    public FakePath Path => path;
    public string Url => url;
    public FakeSelector Selector => selector;
    public bool MetadataOnly => metadataOnly;
    public bool Bookmarks => bookmarks;

    /// <summary>Open, but nothing is sent any more.</summary>
    public bool Silent { get; set; }

    /// <summary>When its lines end the connection is cut rather than closed.</summary>
    public bool Cut { get; set; }

    public void Send(byte[] line)
    {
        if (!Silent) Lines.Writer.TryWrite(line);
    }
}

/// <summary>labelSelector (=, ==, !=, presence and absence) and fieldSelector (name and namespace).</summary>
public sealed class FakeSelector(string? labels, string? fields)
{
    private readonly string[] _labels = labels?.Split(',', StringSplitOptions.RemoveEmptyEntries) ?? [];
    private readonly string[] _fields = fields?.Split(',', StringSplitOptions.RemoveEmptyEntries) ?? [];

    public bool Matches(FakePath scope, JsonObject item)
    {
        var meta = item["metadata"]!;
        if (scope.Namespace is { } ns && (string?)meta["namespace"] != ns) return false;
        return _labels.All(l => Holds(l, name => (string?)meta["labels"]?[name]))
            && _fields.All(f => Holds(f, name => name is "metadata.name" or "metadata.namespace"
                ? (string?)meta[name["metadata.".Length..]]
                : throw FakeStatusException.Invalid($"field label not supported: {name}")));
    }

    private static bool Holds(string term, Func<string, string?> value)
    {
        if (term.StartsWith('!')) return value(term[1..]) is null;
        var at = term.IndexOf('=', StringComparison.Ordinal);
        if (at < 0) return value(term) is not null;
        return term[at - 1] == '!'
            ? value(term[..(at - 1)]) != term[(at + 1)..]
            : value(term[..at]) == term[(at + 1)..].TrimStart('=');
    }
}
