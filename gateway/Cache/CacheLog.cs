using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

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
    private FileStream _file;

    private CacheLog(string path, FileStream file) => (_path, _file) = (path, file);

    /// <summary>Records in the file, live or not.</summary>
    public int Records { get; private set; }

    /// <returns>The log, and the entries that live, oldest first.</returns>
    public static (CacheLog Log, List<CacheEntry> Entries, long TornBytes) Open(string path)
    {
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        var log = new CacheLog(path, file);
        var live = new OrderedDictionary<string, CacheEntry>();
        var end = 0L;
        foreach (var (record, position) in ReadRecords(file))
        {
            if (record[0] == Removed) live.Remove(Encoding.ASCII.GetString(record.AsSpan(1)));
            else if (Decode(record) is var entry) live[entry.Id] = entry;
            end = position;
            log.Records++;
        }
        var torn = file.Length - end;
        file.SetLength(end);
        file.Position = end;
        return (log, [.. live.Values], torn);
    }

    /// <summary>Returns when all of it is on the disk.</summary>
    public void Append(IReadOnlyCollection<CacheEntry> added, IReadOnlyCollection<string> removed)
    {
        Write(_file, added, removed);
        _file.Flush(flushToDisk: true);
        Records += added.Count + removed.Count;
    }

    /// <summary>Writes the file anew with the live entries alone, and swaps it in by a rename.</summary>
    public void Compact(IReadOnlyCollection<CacheEntry> live)
    {
        var temporary = _path + ".part";
        var file = new FileStream(temporary, FileMode.Create, FileAccess.ReadWrite, FileShare.Read);
        Write(file, live, []);
        file.Flush(flushToDisk: true);
        File.Move(temporary, _path, overwrite: true);
        _file.Dispose();
        (_file, Records) = (file, live.Count);
    }

    public void Dispose() => _file.Dispose();

    private static void Write(FileStream file, IEnumerable<CacheEntry> added, IEnumerable<string> removed)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        foreach (var record in added.Select(Encode).Concat(removed.Select(id => (byte[])[Removed, .. Encoding.ASCII.GetBytes(id)])))
        {
            BinaryPrimitives.WriteInt32LittleEndian(header, record.Length);
            Checksum(record).CopyTo(header[4..]);
            file.Write(header);
            file.Write(record);
        }
    }

    private static IEnumerable<(byte[] Record, long End)> ReadRecords(FileStream file)
    {
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
