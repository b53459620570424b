using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace MoDM.Gateway.Cache;

/// <summary>
/// The index on disk: a file of records, each an entry added or an id removed, with its length and checksum in front.
/// Only ever appended to; a record that a crash tore is cut off at the next start, and all before it stand.
/// </summary>
internal sealed class CacheLog : IDisposable
{
    private const int HeaderLength = 12; // Length (4), checksum (8).
    private const int LargestRecord = 1 << 24;
    private const byte Added = 1, Removed = 2;

    private readonly string _path;
    private SafeFileHandle _file;
    private long _end;

    private CacheLog(string path, SafeFileHandle file, long end) => (_path, _file, _end) = (path, file, end);

    /// <summary>Records in the file, live or not.</summary>
    public int Records { get; private set; }

    /// <returns>The log, the entries that live, oldest first, and what was removed: a crash may have left its bytes.</returns>
    public static (CacheLog Log, List<CacheEntry> Entries, IReadOnlyCollection<string> Removed, long TornBytes) Open(string path)
    {
        // Places in the order of arrival; removing one leaves a gap, since closing it would cost as much as all that follow.
        var live = new List<CacheEntry?>();
        var places = new Dictionary<string, int>();
        var removed = new HashSet<string>();
        var (end, records) = (0L, 0);
        foreach (var (record, position) in ReadRecords(path))
        {
            if (record[0] == Added)
            {
                var entry = Decode(record);
                places[entry.Id] = live.Count;
                live.Add(entry);
                removed.Remove(entry.Id);
            }
            else
            {
                var id = Encoding.ASCII.GetString(record.AsSpan(1));
                removed.Add(id);
                if (places.Remove(id, out var place)) live[place] = null;
            }
            (end, records) = (position, records + 1);
        }
        var file = OpenForWriting(path, FileMode.OpenOrCreate);
        var torn = RandomAccess.GetLength(file) - end;
        RandomAccess.SetLength(file, end);
        return (new CacheLog(path, file, end) { Records = records }, [.. live.OfType<CacheEntry>()], removed, torn);
    }

    /// <summary>Returns when all of it is on the disk.</summary>
    /// <exception cref="IOException">Nothing of it counts, and the next append takes its place.</exception>
    public void Append(IReadOnlyCollection<CacheEntry> added, IReadOnlyCollection<string> removed)
    {
        var bytes = Encode(added, removed);
        try
        {
            RandomAccess.Write(_file, bytes, _end);
            RandomAccess.FlushToDisk(_file);
        }
        catch (IOException)
        {
            // Half a record in the middle would hide all that is appended after it.
            RandomAccess.SetLength(_file, _end);
            throw;
        }
        _end += bytes.Length;
        Records += added.Count + removed.Count;
    }

    /// <summary>Writes the file anew with the live entries alone, and swaps it in by a rename.</summary>
    public void Compact(IReadOnlyCollection<CacheEntry> live)
    {
        var temporary = _path + ".part";
        var bytes = Encode(live, []);
        var file = OpenForWriting(temporary, FileMode.Create);
        RandomAccess.Write(file, bytes, 0);
        RandomAccess.FlushToDisk(file);
        File.Move(temporary, _path, overwrite: true);
        _file.Dispose();
        (_file, _end, Records) = (file, bytes.Length, live.Count);
    }

    public void Dispose() => _file.Dispose();

    private static SafeFileHandle OpenForWriting(string path, FileMode mode) =>
        File.OpenHandle(path, mode, FileAccess.Write, FileShare.Read);

    private static byte[] Encode(IEnumerable<CacheEntry> added, IEnumerable<string> removed)
    {
        using var bytes = new MemoryStream();
        Span<byte> header = stackalloc byte[HeaderLength];
        foreach (var record in added.Select(Encode).Concat(removed.Select(id => (byte[])[Removed, .. Encoding.ASCII.GetBytes(id)])))
        {
            BinaryPrimitives.WriteInt32LittleEndian(header, record.Length);
            Checksum(record).CopyTo(header[4..]);
            bytes.Write(header);
            bytes.Write(record);
        }
        return bytes.ToArray();
    }

    private static IEnumerable<(byte[] Record, long End)> ReadRecords(string path)
    {
        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Read);
        var header = new byte[HeaderLength];
        while (file.ReadAtLeast(header, HeaderLength, throwOnEndOfStream: false) == HeaderLength)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(header);
            if (length is <= 0 or > LargestRecord) yield break;
            var record = new byte[length];
            if (file.ReadAtLeast(record, length, throwOnEndOfStream: false) < length) yield break;
            if (!header.AsSpan(4).SequenceEqual(Checksum(record))) yield break;
            yield return (record, file.Position);
        }
    }

    /// <summary>Kind, length of the JSON, the JSON, then the vector as little-endian floats.</summary>
    private static byte[] Encode(CacheEntry entry)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(entry, CacheJson.Default.CacheEntry);
        var vector = MemoryMarshal.AsBytes(entry.Vector.AsSpan());
        var record = new byte[5 + json.Length + vector.Length];
        record[0] = Added;
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(1), json.Length);
        json.CopyTo(record, 5);
        vector.CopyTo(record.AsSpan(5 + json.Length));
        return record;
    }

    private static CacheEntry Decode(byte[] record)
    {
        var length = BinaryPrimitives.ReadInt32LittleEndian(record.AsSpan(1));
        var entry = JsonSerializer.Deserialize(record.AsSpan(5, length), CacheJson.Default.CacheEntry)!;
        return entry with { Vector = MemoryMarshal.Cast<byte, float>(record.AsSpan(5 + length)).ToArray() };
    }

    private static ReadOnlySpan<byte> Checksum(byte[] record) => SHA256.HashData(record).AsSpan(0, 8);
}
