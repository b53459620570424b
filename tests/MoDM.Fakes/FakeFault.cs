namespace MoDM.Fakes;

/// <summary>
/// What goes wrong with the next requests that match. Everything left out matches: a fault with only
/// <see cref="Status"/> refuses all. Only the first fault that matches a request happens to it.
/// </summary>
public sealed record FakeFault
{
    /// <summary>GET, LIST, WATCH, POST, PUT, PATCH or DELETE.</summary>
    public string? Verb { get; init; }

    /// <summary>How the path begins.</summary>
    public string Path { get; init; } = "";

    /// <summary>The client's User-Agent.</summary>
    public string? Client { get; init; }

    public int Times { get; set; } = int.MaxValue;

    /// <summary>Before anything else happens.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Nothing happens before this task is done, or the client gives up.</summary>
    public Task? Hold { get; init; }

    /// <summary>The request takes effect, but is answered only when this task is done.</summary>
    public Task? HoldAnswer { get; init; }

    /// <summary>Refused with this status: 409 is a conflict, 410 on WATCH an expired version.</summary>
    public int? Status { get; init; }

    /// <summary>The connection is cut and nothing happened.</summary>
    public bool ResetBefore { get; init; }

    /// <summary>The connection is cut, but the write took effect.</summary>
    public bool ResetAfter { get; init; }

    public bool Matches(FakeRequest request) =>
        Times > 0 && (Verb ?? request.Verb) == request.Verb && (Client ?? request.Client) == request.Client
        && request.Path.StartsWith(Path, StringComparison.Ordinal);
}

/// <summary>A request as the fake API server saw it; the path has no query.</summary>
public sealed record FakeRequest(string Verb, string Path, string Query, string Client, DateTimeOffset At)
{
    /// <summary>By the token that was sent.</summary>
    public string User { get; init; } = "";

    /// <summary>0 while it is answered, and for good when the connection was cut.</summary>
    public int Status { get; set; }

    public bool IsWrite => Verb is not ("GET" or "LIST" or "WATCH");
}
