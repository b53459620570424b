using System.Text.Json;

namespace MoDM.Api;

/// <summary>The messages of a chat, and what of them a model reads that only ever writes on.</summary>
internal static class ChatReader
{
    private const int MaxMessages = 1000;

    // Names and refusals change nothing for a model that sees text alone.
    private static readonly HashSet<string> Ignored = ["name", "refusal"];

    public static List<ChatMessage> Messages(FieldReader read)
    {
        var messages = new List<ChatMessage>();
        if (!read.Given("messages", out var list))
        {
            read.Report("messages", "is missing; send the beginning of a story as a message of the user.");
            return messages;
        }
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() is 0 or > MaxMessages)
        {
            read.Bad<string>("messages", list, $"an array of 1 to {MaxMessages} messages");
            return messages;
        }
        var index = 0;
        foreach (var message in list.EnumerateArray())
        {
            if (One(read, $"messages[{index++}]", message) is { } good)
                messages.Add(good);
        }
        if (StoryRequestReader.TooLong(read, "messages", messages.Sum(m => m.Content.Length)) || messages.Count < index)
            return messages;
        if (messages.FindLast(m => m.Role is "user" or "assistant") is not { Role: "user" } last)
            read.Report("messages", "do not end with one of the user; that is what is written on.");
        else if (string.IsNullOrWhiteSpace(last.Content))
            read.Report("messages", "end with an empty one of the user; send the beginning of a story.");
        return messages;
    }

    /// <summary>The texts of user and assistant in order, a blank between them; a base model has no use for instructions.</summary>
    public static string Prompt(IEnumerable<ChatMessage> messages) => string.Join(
        ' ', messages.Where(m => m.Role is "user" or "assistant").Select(m => m.Content.Trim()).Where(t => t.Length > 0));

    private static ChatMessage? One(FieldReader read, string where, JsonElement message)
    {
        if (message.ValueKind != JsonValueKind.Object)
            return read.Bad<ChatMessage>(where, message, "a message such as {\"role\": \"user\", \"content\": \"...\"}");
        foreach (var field in message.EnumerateObject())
        {
            if (field.Name is not ("role" or "content") && !Ignored.Contains(field.Name) && field.Value.ValueKind != JsonValueKind.Null)
                read.Report($"{where}.{field.Name}", "cannot be honoured here; a message has role and content.");
        }
        var role = message.TryGetProperty("role", out var r) && r.ValueKind == JsonValueKind.String ? r.GetString()! : "";
        if (role is not ("system" or "developer" or "user" or "assistant"))
        {
            read.Report($"{where}.role", $"{(role.Length == 0 ? "nothing" : FieldReader.Show(r))} is not one of system, developer, user, assistant.");
            return null;
        }
        if (!message.TryGetProperty("content", out var content) || Text(content) is not { } text)
        {
            read.Report($"{where}.content", "is not a string, nor an array of parts {\"type\": \"text\", \"text\": \"...\"}; other parts are not read.");
            return null;
        }
        StoryRequestReader.CheckText(read, $"{where}.content", text);
        return new ChatMessage(role, text);
    }

    private static string? Text(JsonElement content)
    {
        if (content.ValueKind == JsonValueKind.String)
            return content.GetString();
        if (content.ValueKind != JsonValueKind.Array)
            return null;
        var parts = new List<string>();
        foreach (var part in content.EnumerateArray())
        {
            if (part.ValueKind != JsonValueKind.Object || !part.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String
                || type.GetString() != "text" || !part.TryGetProperty("text", out var text) || text.ValueKind != JsonValueKind.String)
            {
                return null;
            }
            parts.Add(text.GetString()!);
        }
        return string.Concat(parts);
    }
}
