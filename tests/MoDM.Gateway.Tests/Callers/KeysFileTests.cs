using MoDM.Fakes;
using MoDM.Gateway.Callers;

namespace MoDM.Gateway.Tests.Callers;

public class KeysFileTests
{
    private readonly string _file = Path.Combine(TempFolder.New(), "keys.jsonl");

    [Fact]
    public void A_key_is_printed_once_and_only_its_hash_is_kept()
    {
        var key = Add("alice", "--tenant", "acme", "--rate", "60", "--burst", "10", "--weight", "2.5", "--admin");

        Assert.Matches("^modm_[A-Za-z0-9_-]{43}$", key);
        Assert.NotEqual(key, Add("bob"));
        var text = File.ReadAllText(_file);
        Assert.DoesNotContain(key[5..], text, StringComparison.Ordinal);
        var (keys, problems) = KeysFile.Read(_file);
        Assert.Empty(problems);
        Assert.Equal(new KeyLine("alice", "acme", keys![0].Sha256, 60, 10, 2.5, true), keys[0]);
        Assert.Equal(new KeyLine("bob", "bob", keys[1].Sha256, null, null, 1, false), keys[1]);
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(key))), keys[0].Sha256);
        Assert.Equal("alice", new KeyRing(keys, TimeProvider.System).Find(key)!.Caller.Name);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_file));
    }

    [Fact]
    public void Comments_and_other_lines_stay_as_they_are()
    {
        File.WriteAllText(_file, "# of the office\n\n");
        Add("alice");
        Add("bob");
        var before = File.ReadAllText(_file);
        Add("carol");
        Assert.StartsWith(before, File.ReadAllText(_file), StringComparison.Ordinal);

        Assert.Equal(0, Run("remove", "carol", "--keys", _file).Code);

        Assert.Equal(before, File.ReadAllText(_file));
        Assert.StartsWith("# of the office\n\n{\"name\":\"alice\",\"tenant\":\"alice\",\"sha256\":\"", before, StringComparison.Ordinal);
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(_file)!));
    }

    [Fact]
    public void A_name_that_is_taken_or_none_or_unknown_is_refused_and_nothing_changes()
    {
        Add("alice");
        var before = File.ReadAllText(_file);

        Assert.Contains("There is a key with the name alice", Refused("add", "alice", "--keys", _file), StringComparison.Ordinal);
        Assert.Contains("There is no key with the name bob", Refused("remove", "bob", "--keys", _file), StringComparison.Ordinal);
        Assert.Contains("Name the file of keys with --keys FILE", Refused("add", "bob"), StringComparison.Ordinal);
        Assert.Contains("gateway keys add NAME", Refused("add", "--keys", _file), StringComparison.Ordinal);
        Assert.Contains("gateway keys list", Refused(), StringComparison.Ordinal);
        var all = Refused("add", "not a name", "--keys", _file, "--rate", "much", "--burst", "0", "--weight", "0", "--colour", "red");
        foreach (var expected in new[] { "The name is not a name", "--rate is much", "--burst is 0", "--weight is 0", "--colour is not an option" })
            Assert.Contains(expected, all, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllText(_file));
    }

    [Fact]
    public void A_list_has_names_and_tenants_and_no_hashes()
    {
        Add("alice", "--tenant", "acme", "--rate", "30");
        Add("bob", "--admin");

        var (code, output, _) = Run("list", "--keys", _file);

        Assert.Equal((0, "alice\ttenant acme\t30 a minute, 30 at once\tweight 1\nbob\ttenant bob\tno rate\tweight 1\tadmin\n"), (code, output.ReplaceLineEndings("\n")));
    }

    [Fact]
    public void All_mistakes_of_a_file_are_told_with_their_lines_and_without_their_content()
    {
        var hash = new string('a', 64);
        var text = $$"""
            modm_secret
            # a comment
            {"name":"a","tenant":"t","sha256":"{{hash}}"}
            {"name":"a","tenant":"t","sha256":"{{hash.ToUpperInvariant()}}"}
            {"name":"b b","sha256":"modm_secret","rate":-1,"weight":"much","admin":1,"burst":1.5,"modm_secret":1}
            [1]
            {"name":"c","tenant":"t","sha256":"{{new string('c', 64)}}","burst":3}
            """;

        var (keys, problems) = KeysFile.Parse(text);

        Assert.Null(keys);
        Assert.Equal(
            [
                "line 1 is not a JSON object.",
                "line 4 has the name of line 3.",
                "line 4 has the key of line 3.",
                "line 5 has a field that is not known here; there are name, tenant, sha256, rate, burst, weight, admin.",
                "line 5 name has to be 1 to 63 letters, digits, dots, underscores and hyphens.",
                "line 5 tenant has to be 1 to 63 letters, digits, dots, underscores and hyphens.",
                "line 5 sha256 has to be 64 hexadecimal digits.",
                "line 5 rate has to be a number from 0.001 to 1000000.",
                "line 5 burst has to be a whole number.",
                "line 5 weight has to be a number from 0.01 to 100.",
                "line 5 admin has to be true or false.",
                "line 6 is not a JSON object.",
                "line 7 burst goes with a rate.",
            ],
            problems.OrderBy(p => int.Parse(p.Split(' ')[1])).ToList());
    }

    [Fact]
    public void A_file_with_mistakes_is_not_written_over()
    {
        File.WriteAllText(_file, "{}\n");

        Assert.Contains($"{_file}: line 1 name has to be", Refused("add", "alice", "--keys", _file), StringComparison.Ordinal);
        Assert.Equal("{}\n", File.ReadAllText(_file));
        Assert.False(File.Exists(_file + ".new"));
    }

    [Fact]
    public void Two_that_change_it_at_once_do_not_lose_a_key()
    {
        Add("alice");

        Assert.Null(KeysFile.Rewrite(_file, text =>
        {
            Assert.Contains("somebody else changes the keys", Refused("add", "bob", "--keys", _file), StringComparison.Ordinal);
            return (text + "# end\n", null);
        }));

        Add("bob");
        Assert.Equal(2, KeysFile.Read(_file).Keys!.Count);
    }

    [Fact]
    public void A_rate_goes_on_where_it_was_when_another_line_changes()
    {
        var key = Add("alice", "--rate", "60");
        var ring = new KeyRing(KeysFile.Read(_file).Keys!, TimeProvider.System);
        var before = ring.Find(key)!;
        Assert.Null(before.Bucket!.Take(60));
        Add("bob");

        ring.Take(KeysFile.Read(_file).Keys!);

        Assert.Same(before.Bucket, ring.Find(key)!.Bucket);
        Assert.Equal("alice", ring.Find(before.Errand)!.Caller.Name);
        Assert.Null(ring.Find("modm_else"));
        Run("remove", "alice", "--keys", _file);
        ring.Take(KeysFile.Read(_file).Keys!);
        Assert.Null(ring.Find(key));
        Assert.Null(ring.Find(before.Errand));
    }

    private string Add(string name, params string[] options)
    {
        var (code, output, error) = Run(["add", name, "--keys", _file, .. options]);
        Assert.True(code == 0, error);
        Assert.DoesNotContain("modm_", error, StringComparison.Ordinal);
        return output.Trim();
    }

    private static string Refused(params string[] args)
    {
        var (code, output, error) = Run(args);
        Assert.Equal((2, ""), (code, output));
        return error;
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (KeysCommand.Run(args, output, error), output.ToString(), error.ToString());
    }
}
