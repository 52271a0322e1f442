//! One row of a stream as a stream of its own, which gives the same row or the same rejection.
//!
//! It has the wanted columns only, text as Utf8 and times in UTC. Metadata and body are written
//! here byte by byte, since a row may hold what an Arrow array cannot, such as text that is not
//! UTF-8.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit as ArrowTimeUnit};
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use arrow::ipc::{
    Buffer, FieldNode, MessageBuilder, MessageHeader, MetadataVersion, RecordBatchBuilder, TimeUnit,
};
use flatbuffers::FlatBufferBuilder;

use super::batch::Batch;
use super::column::{Ints, Value, Values};
use super::plan::{BytesType, ColumnType, IntType, Lengths, Name, Plan};
use super::stream::MARKER;

/// Writes rows of one stream as streams.
#[derive(Debug)]
pub(super) struct Alone {
    schema: Vec<u8>,
    columns: Vec<(Name, ColumnType)>,
}

impl Alone {
    pub(super) fn new(plan: &Plan) -> Self {
        let columns: Vec<_> = plan.columns().collect();
        let fields = columns
            .iter()
            .map(|(name, column_type)| Field::new(name.as_str(), written(*column_type), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
            &schema,
            &mut DictionaryTracker::new(false),
            &IpcWriteOptions::default(),
        );
        let mut schema = Vec::new();
        frame(&encoded.ipc_message, &[], &mut schema);
        Self { schema, columns }
    }

    /// The stream of row `row` of `batch`.
    pub(super) fn write(&self, batch: &Batch<'_>, row: usize) -> Vec<u8> {
        let mut parts = Parts::default();
        for (name, _) in &self.columns {
            match name {
                Name::Id => parts.values(batch.id.as_ref(), row),
                Name::Site => parts.values(Some(&batch.site), row),
                Name::Measure => parts.values(Some(&batch.measure), row),
                Name::Subject => parts.values(batch.subject.as_ref(), row),
                Name::Origin => parts.values(batch.origin.as_ref(), row),
                Name::Start => parts.ints(Some(batch.start.ints), row),
                Name::End => parts.ints(batch.end.map(|end| end.ints), row),
                Name::Count => parts.ints(Some(batch.count), row),
                Name::Lat | Name::Lng => {
                    let floats = if *name == Name::Lat {
                        batch.lat
                    } else {
                        batch.lng
                    };
                    let raw = floats.map(|floats| (floats.validity.has(row), floats.raw(row)));
                    parts.number(raw);
                }
            }
        }
        let mut stream = self.schema.clone();
        frame(&parts.metadata(), &parts.body, &mut stream);
        stream.extend_from_slice(&MARKER);
        stream.extend_from_slice(&[0; 4]);
        stream
    }
}

/// The type that a column is written in.
fn written(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Bytes(BytesType {
            lengths: Lengths::Fixed(width),
            ..
        }) => DataType::FixedSizeBinary(i32::try_from(width).expect("at most 256 bytes wide")),
        ColumnType::Bytes(values) | ColumnType::Dictionary { values, .. } => {
            if values.is_text {
                DataType::Utf8
            } else {
                DataType::Binary
            }
        }
        ColumnType::Time(unit) => {
            let unit = match unit {
                TimeUnit::SECOND => ArrowTimeUnit::Second,
                TimeUnit::MILLISECOND => ArrowTimeUnit::Millisecond,
                TimeUnit::NANOSECOND => ArrowTimeUnit::Nanosecond,
                _ => ArrowTimeUnit::Microsecond,
            };
            DataType::Timestamp(unit, Some(Arc::from("UTC")))
        }
        ColumnType::Int(IntType { width, signed }) => match (width, signed) {
            (1, true) => DataType::Int8,
            (1, false) => DataType::UInt8,
            (2, true) => DataType::Int16,
            (2, false) => DataType::UInt16,
            (4, true) => DataType::Int32,
            (4, false) => DataType::UInt32,
            (_, true) => DataType::Int64,
            (_, false) => DataType::UInt64,
        },
        ColumnType::Float32 => DataType::Float32,
        ColumnType::Float64 => DataType::Float64,
    }
}

fn frame(metadata: &[u8], body: &[u8], stream: &mut Vec<u8>) {
    let padded = metadata.len().next_multiple_of(8);
    stream.extend_from_slice(&MARKER);
    let len = i32::try_from(padded).expect("ten columns of one row have small metadata");
    stream.extend_from_slice(&len.to_le_bytes());
    stream.extend_from_slice(metadata);
    stream.resize(stream.len() + padded - metadata.len(), 0);
    stream.extend_from_slice(body);
}

/// The nodes, the buffers and the body of a batch of one row.
#[derive(Default)]
struct Parts {
    nodes: Vec<FieldNode>,
    buffers: Vec<Buffer>,
    body: Vec<u8>,
}

impl Parts {
    fn buffer(&mut self, bytes: &[u8]) {
        let length = |len: usize| i64::try_from(len).expect("a part of a payload");
        let place = length(self.body.len());
        self.buffers.push(Buffer::new(place, length(bytes.len())));
        self.body.extend_from_slice(bytes);
        self.body.resize(self.body.len().next_multiple_of(8), 0);
    }

    fn node(&mut self, valid: bool) {
        self.nodes.push(FieldNode::new(1, i64::from(!valid)));
        self.buffer(if valid { &[] } else { &[0] });
    }

    fn values(&mut self, values: Option<&Values<'_>>, row: usize) {
        let value = values.map_or(Value::Null, |values| values.get(row));
        let (valid, bytes): (bool, &[u8]) = match value {
            Value::Null => (false, &[]),
            Value::Text(text) => (true, text.as_bytes()),
            Value::Bytes(bytes) => (true, bytes),
        };
        self.node(valid);
        if let Some(width) = values.and_then(Values::width) {
            let mut fixed = bytes.to_vec();
            fixed.resize(width, 0);
            return self.buffer(&fixed);
        }
        let end = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        let mut offsets = [0; 8];
        offsets[4..].copy_from_slice(&end.to_le_bytes());
        self.buffer(&offsets);
        self.buffer(bytes);
    }

    fn ints(&mut self, ints: Option<Ints<'_>>, row: usize) {
        self.number(ints.map(|ints| (ints.validity.has(row), ints.raw(row))));
    }

    fn number(&mut self, raw: Option<(bool, &[u8])>) {
        let (valid, bytes) = raw.unwrap_or((false, &[0; 8]));
        self.node(valid);
        self.buffer(bytes);
    }

    fn metadata(&self) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        let nodes = builder.create_vector(&self.nodes);
        let buffers = builder.create_vector(&self.buffers);
        let mut batch = RecordBatchBuilder::new(&mut builder);
        batch.add_length(1);
        batch.add_nodes(nodes);
        batch.add_buffers(buffers);
        let batch = batch.finish().as_union_value();
        let mut message = MessageBuilder::new(&mut builder);
        message.add_version(MetadataVersion::V5);
        message.add_header_type(MessageHeader::RecordBatch);
        message.add_bodyLength(i64::try_from(self.body.len()).expect("a part of a payload"));
        message.add_header(batch);
        let message = message.finish();
        builder.finish(message, None);
        builder.finished_data().to_vec()
    }
}
